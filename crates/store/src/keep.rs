//! What a caller keeps of an answer's message.

use crake_mem::Buf;

use crate::session::Session;

/// A part of a message as a buffer. It shares the receive buffer while there are plenty of those, and is a copy
/// otherwise: what a caller keeps must not starve the connections of memory to receive in.
pub(crate) fn keep(session: &Session, message: &Buf, part: &[u8]) -> Buf {
    let pool = session.runtime().pool();
    if pool.in_use() > pool.capacity() / 2 {
        return Buf::copy_from_slice(part);
    }
    let start = part.as_ptr().addr().wrapping_sub(message.as_ptr().addr());
    match message.get(start..start.wrapping_add(part.len())) {
        Some(_) => message.slice(start..start + part.len()),
        None => keep_copy(session, part),
    }
}

/// The same of a message that lies in no buffer: copies of small parts share buffers, while there are plenty.
pub(crate) fn keep_copy(session: &Session, part: &[u8]) -> Buf {
    let copy = session.partitions().values.borrow_mut().copy(part);
    copy.unwrap_or_else(|| Buf::copy_from_slice(part))
}
