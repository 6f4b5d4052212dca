//! Clients that say of all blocks that they have leaked, and that look whether partitions agree.

use crate::client::{Life, is_transient};

impl Life {
    /// Says that everything that is given out is nobody's. All of it is somebody's: nothing leaks, and the namenode looks by itself.
    pub(crate) async fn accuse_all(&self) {
        self.client.does("saying that all blocks have leaked");
        match self.store.accuse_all().await {
            Ok(blocks) if blocks.freed > 0 => {
                self.world
                    .violate(format!("blocks are freed as if they had leaked: {blocks:?}"));
            }
            Ok(_) => {}
            Err(error) if is_transient(&error) => self.client.notes(&error),
            Err(error) => self
                .world
                .violate(format!("saying that all blocks have leaked: {error}")),
        }
    }

    /// Looks whether partitions agree. They do, but for what is under way, and that is not to be told.
    pub(crate) async fn look_at_ties(&self) {
        self.client.does("looking whether partitions agree");
        match self.store.broken_ties().await {
            Ok(broken) if broken.is_empty() => {}
            Ok(broken) => self.world.violate(format!("partitions do not agree: {broken:?}")),
            Err(error) if is_transient(&error) => self.client.notes(&error),
            Err(error) => self
                .world
                .violate(format!("looking whether partitions agree: {error}")),
        }
    }
}
