//! The answer to SCAN, written from the table's records straight into its message.

use crake_rpc::{Replies, Request};
use crake_store::protocol::namenode as wire;
use crake_wire::{Beside, Encode, Message, Present, Writer, messages_bytes};

use super::caller::Caller;
use super::{Answered, wrong_reply};
use crate::namenode::command::{Command, NodeId, Reply, Scan, ScanEntries};
use crate::namenode::translate;

impl Caller<'_, '_> {
    pub(super) fn scan(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::ScanRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Scan(Scan {
            table: NodeId(asked.table()),
            path: asked.path()?,
            prefix: asked.prefix()?,
            from: asked.from()?,
            after: asked.after()?,
            until: asked.until()?,
            reverse: asked.reverse()?,
            limit: asked.limit(),
            keys_only: asked.keys_only()?,
        }))?;
        let Reply::Scan { entries, more } = reply else {
            wrong_reply()
        };
        if !entries.has_blocks() {
            replies.send(request, &ScanReply::new(entries, more, &[]));
            return Ok(());
        }
        let values = entries.clone().map(|entry| entry.value);
        let values = values.filter(|value| !value.blocks.is_empty());
        let blocks = translate::all_blocks(values.clone());
        let mut rest = &blocks[..];
        let in_blocks = values.map(|value| translate::value_with_first(&value, &mut rest));
        let in_blocks = in_blocks.collect::<Vec<_>>();
        replies.send(request, &ScanReply::new(entries, more, &in_blocks));
        Ok(())
    }
}

/// [`wire::ScanReply`], whose entries do not lie anywhere before it is written.
struct ScanReply<'a> {
    more: bool,
    entries: ScanEntries<'a>,
    in_blocks: &'a [wire::Value<'a>],
}

impl<'a> ScanReply<'a> {
    fn new(entries: ScanEntries<'a>, more: bool, in_blocks: &'a [wire::Value<'a>]) -> Self {
        Self {
            more,
            entries,
            in_blocks,
        }
    }

    fn present(&self) -> Present<1> {
        Present::none()
            .with::<2>(self.more)
            .with::<3>(self.entries.packed_bytes() > 0)
            .with::<4>(!self.in_blocks.is_empty())
    }
}

impl Encode for ScanReply<'_> {
    fn encoded_len(&self) -> usize {
        self.present().head_bytes() + self.entries.packed_bytes() + messages_bytes(self.in_blocks)
    }

    fn encode(&self, out: &mut [u8]) {
        Writer::frame(out, self);
    }
}

impl Message for ScanReply<'_> {
    fn write<B: Beside>(&self, writer: &mut Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.more {
            head.put_scalar(self.more);
        }
        let len_bytes = self.entries.packed_bytes();
        if len_bytes > 0 {
            head.put(writer.bytes_with(len_bytes, |out| self.entries.write(out)));
        }
        if !self.in_blocks.is_empty() {
            head.put(writer.messages(self.in_blocks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namenode::command::{Create, Kind, Now, Put, SessionId};
    use crate::namenode::config::Config;
    use crate::namenode::namespace::Namespace;

    #[test]
    fn the_message_is_that_of_the_schema() {
        let mut namespace = Namespace::new(Config::default());
        let mut apply = |command: &Command<'_>| {
            let reply = namespace.apply(Now::default(), SessionId(1), command);
            reply.map(drop).unwrap();
        };
        apply(&Command::Create(Create {
            path: "t",
            kind: Kind::Table,
            ..Create::default()
        }));
        let long = [8; 200];
        for (key, value) in [(&b"a"[..], &long[..]), (b"b", b"v"), (&long, b"")] {
            apply(&Command::Put(Put {
                path: "t",
                key,
                value,
                ..Put::default()
            }));
        }
        let values = [wire::Value {
            found: true,
            version: 3,
            ..wire::Value::default()
        }];
        for (prefix, keys_only, count) in [(&b""[..], false, 3), (b"b", true, 1), (b"none", false, 0)] {
            let scan = Scan {
                path: "t",
                prefix,
                keys_only,
                ..Scan::default()
            };
            let reply = namespace.apply(Now::default(), SessionId(1), &Command::Scan(scan));
            let Ok(Reply::Scan { entries, .. }) = reply else {
                panic!("a scan is answered with its page");
            };
            assert_eq!(entries.len(), count);
            let mut packed = vec![0; entries.packed_bytes()];
            entries.write(&mut packed);
            for (more, in_blocks) in [(false, &values[..]), (true, &[])] {
                let ours = ScanReply::new(entries.clone(), more, in_blocks);
                let theirs = wire::ScanReply {
                    more,
                    entries: &packed,
                    in_blocks,
                };
                assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
            }
        }
    }
}
