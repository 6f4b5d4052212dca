//! How servers are reached, as commands tell it.

use crake_store::{Error, PeerPath, Store};
use serde::Serialize;

/// The way to one server, as JSON lines have it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `namenode`, with the number of its partition if that is not 0, or `datanode` and its number.
    peer: String,
    /// `tcp`, `unix`, `shm` or `local`; none without a connection.
    transport: Option<&'static str>,
    address: Option<String>,
    /// Why it is not shared memory, if it is not; or why there is no connection.
    hindrance: Option<String>,
    #[serde(skip)]
    text: String,
}

impl Row {
    fn new(path: &PeerPath) -> Row {
        Row {
            peer: path.peer(),
            transport: Some(path.transport()),
            address: Some(path.address.to_string()),
            hindrance: path.hindrance.as_ref().map(ToString::to_string),
            text: path.to_string(),
        }
    }

    fn missing(datanode: u32, error: &Error) -> Row {
        let peer = format!("datanode {datanode}");
        Row {
            text: format!("{peer}: {error}"),
            peer,
            transport: None,
            address: None,
            hindrance: Some(error.to_string()),
        }
    }

    /// What carries the bytes, if there is a connection.
    pub fn transport(&self) -> Option<&'static str> {
        self.transport
    }

    /// The same for people.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The ways to the namenode and to these datanodes; connects to those that there is no connection to.
pub async fn of(store: &Store, datanodes: impl IntoIterator<Item = u32>) -> Vec<Row> {
    let paths = store.paths();
    let namenodes = paths.iter().filter(|path| path.datanode.is_none());
    let mut rows = namenodes.map(Row::new).collect::<Vec<_>>();
    for datanode in datanodes {
        rows.push(match store.path_to(datanode).await {
            Ok(path) => Row::new(&path),
            Err(error) => Row::missing(datanode, &error),
        });
    }
    rows
}

/// The same for all datanodes of the cluster.
pub async fn of_all(store: &Store) -> Result<Vec<Row>, Error> {
    let datanodes = store.datanodes().await?;
    let numbers = datanodes
        .iter()
        .filter(|datanode| datanode.alive)
        .map(|datanode| datanode.id);
    Ok(of(store, numbers).await)
}

/// A line for people.
pub fn line(rows: &[Row]) -> String {
    rows.iter().map(Row::text).collect::<Vec<_>>().join(", ")
}
