//! Answers to LOOKUP and GET: sent, and written down for clients that find them by themselves.

use crake_rpc::{Replies, Request};
use crake_store::protocol::Referral;
use crake_store::protocol::answers::Key;
use crake_store::protocol::namenode::{self as wire, namenode as method};
use crake_wire::{Encode, WireError};

use super::caller::Refusals;
use super::{Refused, wrong_reply};
use crate::namenode::answers::Answers;
use crate::namenode::command::{Attributes, Block, Command, Failure, NodeId, Now, Reply, SessionId, Value};
use crate::namenode::expiry::Stay;
use crate::namenode::namespace::Namespace;
use crate::namenode::reads::{Read, ReadReplies};
use crate::namenode::translate;

/// Whether a request is one of those that are answered together: see [`Namespace::read_batch`].
#[inline]
pub(super) fn is_read(request: &Request<'_>) -> bool {
    matches!(request.head.method, method::LOOKUP | method::GET)
}

// Always, like the answers: these are in another unit of code than what calls them, 100 of 1,800 instructions of a lookup.
#[inline(always)]
pub(super) fn read_of<'r>(request: &Request<'r>) -> Result<Read<'r>, WireError> {
    if request.head.method == method::LOOKUP {
        let asked = wire::LookupRequestView::parse(request.message)?;
        return Ok(Read::Lookup {
            base: NodeId(asked.base()),
            path: asked.path_bytes()?,
            blocks: asked.blocks()?,
        });
    }
    let asked = wire::GetRequestView::parse(request.message)?;
    Ok(Read::Get {
        table: NodeId(asked.table()),
        path: asked.path_bytes()?,
        key: asked.key()?,
    })
}

/// What is wrong with the message of a read, if anything is: seen to only when it was refused.
fn check_read(request: &Request<'_>) -> Result<(), WireError> {
    match read_of(request)? {
        Read::Lookup { path, .. } | Read::Get { path, .. } => {
            crake_mem::from_utf8(path).map_err(|_| WireError::NotUtf8)?;
        }
    }
    Ok(())
}

/// Sends what reads find.
pub(super) struct ReadAnswers<'c, 'r, 'a> {
    pub(super) replies: &'c mut Replies<'a>,
    pub(super) answers: Option<&'c mut Answers>,
    pub(super) refusals: &'c mut Refusals<'r>,
}

impl<'r> ReadReplies<&'r Request<'r>> for ReadAnswers<'_, 'r, '_> {
    #[inline(always)]
    fn node(
        &mut self,
        request: &'r Request<'r>,
        node: Attributes,
        blocks: &[Block],
        inline_value: &[u8],
        stay: Stay<'_>,
    ) {
        let message = wire::LookupReply {
            node: Some(translate::attributes(&node)),
            blocks: &translate::blocks(blocks),
            inline_value,
        };
        self.replies.send(request, &message);
        if let Some(answers) = &mut self.answers {
            note_node(answers, request, &node, blocks, inline_value, stay);
        }
    }

    #[inline(always)]
    fn value(&mut self, request: &'r Request<'r>, value: Value<'_>, stay: Stay<'_>) {
        let blocks = translate::blocks(value.blocks);
        self.replies.send(request, &translate::value(&value, &blocks));
        if let Some(answers) = self.answers.as_mut().filter(|_| value.found) {
            note_value(answers, request, &value, stay);
        }
    }

    #[cold]
    fn failure(&mut self, request: &'r Request<'r>, failure: Failure, referral: Option<Referral>) {
        let refused = match (check_read(request), referral) {
            (Ok(()), Some(referral)) => Refused::Referred(referral),
            (Ok(()), None) => Refused::Denied(failure),
            (Err(error), _) => Refused::Unreadable(error),
        };
        self.refusals.push((request, refused));
    }
}

// Apart from the sending, so that a message is put together where it is sent from and nowhere else.
#[inline(never)]
fn note_node(
    answers: &mut Answers,
    request: &Request<'_>,
    node: &Attributes,
    blocks: &[Block],
    inline_value: &[u8],
    stay: Stay<'_>,
) {
    if let Some(key) = key_of(request) {
        answers.given(&key, node.id.index(), || {
            stay.is_lasting()
                .then(|| lookup_message(node, blocks, inline_value))
        });
    }
}

#[inline(never)]
fn note_value(answers: &mut Answers, request: &Request<'_>, value: &Value<'_>, stay: Stay<'_>) {
    if let Some(key) = key_of(request) {
        answers.given(&key, value.node.index(), || {
            stay.is_lasting().then(|| value_message(value))
        });
    }
}

fn lookup_message(node: &Attributes, blocks: &[Block], inline_value: &[u8]) -> Vec<u8> {
    let message = wire::LookupReply {
        node: Some(translate::attributes(node)),
        blocks: &translate::blocks(blocks),
        inline_value,
    };
    message.encode_to_vec()
}

fn value_message(value: &Value<'_>) -> Vec<u8> {
    let blocks = translate::blocks(value.blocks);
    translate::value(value, &blocks).encode_to_vec()
}

/// By what clients find the answer to a read.
#[inline]
fn key_of<'r>(request: &Request<'r>) -> Option<Key<'r>> {
    let (flags, base, path, key): (_, _, _, &[u8]) = match read_of(request).ok()? {
        Read::Lookup { base, path, blocks } => (u16::from(blocks), base, path, &[]),
        Read::Get { table, path, key } => (0, table, path, key),
    };
    Some(Key {
        method: request.head.method,
        flags,
        base: base.0,
        path,
        key,
    })
}

/// The message that answers a read now; nothing if it is refused.
pub(super) fn answer_again(namespace: &mut Namespace, now: Now, key: &Key<'_>) -> Option<Vec<u8>> {
    let (base, path) = (NodeId(key.base), crake_mem::from_utf8(key.path).ok()?);
    let command = match key.method {
        method::LOOKUP => Command::Lookup {
            base,
            path,
            blocks: key.flags != 0,
        },
        _ => Command::Get {
            table: base,
            path,
            key: key.key,
        },
    };
    match namespace.apply(now, SessionId::default(), &command).ok()? {
        Reply::Node {
            node,
            blocks,
            inline_value,
        } => Some(lookup_message(&node, blocks, inline_value)),
        Reply::Value(value) => Some(value_message(&value)),
        _ => wrong_reply(),
    }
}
