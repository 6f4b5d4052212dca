//! What every other crate relies on, through the public interface.

use crake_mem::{Buf, BufMut, HugePages, Pool, PoolConfig, Region, Segment, Sga};

fn pool(buffers_max: usize) -> Pool {
    Pool::new(PoolConfig {
        buffer_bytes: 1000,
        headroom_bytes: 32,
        buffers_max,
    })
}

#[test]
fn a_pool_gives_its_limit_and_then_none() {
    let pool = pool(3);
    let taken: Vec<BufMut> = std::iter::from_fn(|| pool.take()).collect();
    assert_eq!((taken.len(), pool.in_use(), pool.capacity()), (3, 3, 3));
    assert!(pool.is_exhausted());
    drop(taken);
    assert_eq!(pool.in_use(), 0);
    assert!(pool.take().is_some());
}

#[test]
fn a_buffer_goes_home_with_its_last_slice() {
    let pool = pool(1);
    let mut buffer = pool.take().unwrap();
    buffer.push_slice(b"abcdef");
    let mut whole = buffer.freeze();
    let front = whole.split_to(2);
    let back = whole.split_off(2);
    assert_eq!((&*front, &*whole, &*back), (&b"ab"[..], &b"cd"[..], &b"ef"[..]));
    drop((whole, front));
    assert!(pool.take().is_none());
    drop(back);
    assert!(pool.take().is_some());
}

#[test]
fn buffers_outlive_their_pool() {
    let pool = pool(2);
    let mut first = pool.take().unwrap();
    let second = pool.take().unwrap();
    drop(pool);
    first.push_slice(b"still here");
    let first = first.freeze();
    drop(second);
    assert_eq!(first, *b"still here");
}

#[test]
fn buffers_of_a_pool_are_apart_and_aligned() {
    let pool = pool(64);
    let mut taken: Vec<BufMut> = std::iter::from_fn(|| pool.take()).collect();
    for (number, buffer) in taken.iter_mut().enumerate() {
        assert!(buffer.capacity() >= 1000 && buffer.headroom() == 32);
        assert_eq!((buffer.as_ptr().addr() - 32) % 64, 0);
        let capacity = buffer.capacity();
        buffer.put(capacity).fill(number as u8);
        buffer.prepend(32).fill(number as u8);
    }
    for (number, buffer) in taken.iter().enumerate() {
        assert!(buffer.iter().all(|&byte| byte == number as u8));
    }
}

#[test]
fn writing_fills_spare_space_and_headroom() {
    let pool = pool(1);
    let mut buffer = pool.take().unwrap();
    buffer.spare_mut()[..5].copy_from_slice(b"hello");
    buffer.advance(5);
    buffer.prepend(2).copy_from_slice(b"> ");
    assert_eq!(
        (&*buffer, buffer.headroom(), buffer.len()),
        (&b"> hello"[..], 30, 7)
    );
    buffer.truncate(3);
    buffer.push_slice(b"i");
    assert_eq!(&*buffer, b"> hi");
    buffer.set_len(7);
    assert_eq!(&*buffer, b"> hillo");
    buffer.clear();
    assert!(buffer.is_empty());
}

#[test]
fn a_unique_buffer_becomes_writable_again() {
    let buffer = BufMut::from_vec(b"abc".to_vec()).freeze();
    let other = buffer.clone();
    let buffer = buffer.try_mut().unwrap_err();
    drop(other);
    let mut tail = buffer.slice(1..);
    drop(buffer);
    tail.truncate(1);
    let mut tail = tail.try_mut().unwrap();
    assert_eq!((&*tail, tail.headroom(), tail.spare()), (&b"b"[..], 1, 1));
    tail.prepend(1)[0] = b'A';
    tail.push_slice(b"C");
    assert_eq!(&*tail, b"AbC");
    assert!(Buf::from_static(b"x").try_mut().is_err());
}

#[test]
fn an_extent_is_a_place_in_its_region() {
    let region = Region::anonymous(10_000, HugePages::Never).unwrap();
    region.prefault().unwrap();
    let place = region.extent(5_000..).slice(10..20);
    assert_eq!((place.len(), place.offset()), (10, 5_010));
    place.write(2, b"abc");
    place.fill(8.., b'z');
    let mut bytes = [9; 10];
    place.read(0, &mut bytes);
    assert_eq!(&bytes, b"\0\0abc\0\0\0zz");
    assert_eq!(region.extent(5_012..5_015).to_vec(), b"abc");
}

#[test]
fn a_segment_keeps_its_region_and_shows_later_writes() {
    let place = Region::anonymous(4096, HugePages::Never).unwrap().extent(..4);
    place.write(0, b"old!");
    let sent = place.segment();
    let copy = sent.to_buf();
    place.write(0, b"new!");
    drop(place);
    assert!(sent.as_buf().is_none());
    assert_eq!((sent.to_vec(), &*copy), (b"new!".to_vec(), &b"old!"[..]));
}

#[test]
fn overlapping_copies_within_a_region_are_whole() {
    let place = Region::anonymous(4096, HugePages::Never).unwrap().extent(..8);
    place.write(0, b"abcdefgh");
    place.write_segment(2, &place.slice(..6).segment());
    assert_eq!(place.to_vec(), b"ababcdef");
}

#[test]
fn a_list_is_the_bytes_of_its_segments() {
    let place = Region::anonymous(4096, HugePages::Never).unwrap().extent(..3);
    place.write(0, b"def");
    let mut list = Sga::from(Buf::from_static(b"abc"));
    list.push(Buf::new());
    list.push(&place);
    list.append(Sga::from_iter([
        Buf::from_static(b"gh"),
        Buf::copy_from_slice(b"i"),
    ]));
    assert_eq!((list.len_bytes(), list.segments().len()), (9, 4));
    assert_eq!(list.concat(), b"abcdefghi");
    let front = list.split_to(4);
    assert_eq!(
        (front.concat(), list.concat()),
        (b"abcd".to_vec(), b"efghi".to_vec())
    );
    list.advance(3);
    assert_eq!(list.concat(), b"hi");
    list.advance(2);
    assert!(list.is_empty() && list.segments().is_empty());
    let target = Region::anonymous(4096, HugePages::Never).unwrap().extent(..6);
    target.write_sga(1, &front);
    assert_eq!(target.to_vec(), b"\0abcd\0");
}

#[test]
fn the_program_s_own_bytes_need_no_count() {
    const NAME: Buf = Buf::from_static(b"name");
    let segment = Segment::from(NAME.slice(1..3));
    assert_eq!(segment.as_buf().unwrap(), b"am");
}
