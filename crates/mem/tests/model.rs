//! Random programs over buffers and lists, compared with plain vectors.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use crake_mem::{Buf, BufMut, Extent, HugePages, Pool, PoolConfig, Region, Sga};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const BUFFER_BYTES: usize = 48;
const HEADROOM_BYTES: usize = 16;

fn config() -> ProptestConfig {
    let cases = if cfg!(miri) { 5 } else { 200 };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn pool() -> Pool {
    Pool::new(PoolConfig {
        buffer_bytes: BUFFER_BYTES,
        headroom_bytes: HEADROOM_BYTES,
        buffers_max: 4096,
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..BUFFER_BYTES)
}

fn pooled(pool: &Pool, bytes: &[u8]) -> Buf {
    let mut buffer = pool.take().expect("far below the limit");
    buffer.push_slice(bytes);
    buffer.freeze()
}

fn placed(bytes: &[u8]) -> Extent {
    let place = Region::anonymous(BUFFER_BYTES, HugePages::Never)
        .unwrap()
        .extent(..bytes.len());
    place.write(0, bytes);
    place
}

#[derive(Clone, Debug)]
enum OnList {
    PushPooled(Vec<u8>),
    PushVec(Vec<u8>),
    PushPlaced(Vec<u8>),
    AppendMany(Vec<Vec<u8>>),
    AppendClone,
    Advance(Index),
    KeepFront(Index),
    KeepBack(Index),
    Rotate(Index),
    Clear,
}

fn on_list() -> impl Strategy<Value = OnList> {
    prop_oneof![
        4 => bytes().prop_map(OnList::PushPooled),
        2 => bytes().prop_map(OnList::PushVec),
        2 => bytes().prop_map(OnList::PushPlaced),
        1 => vec(bytes(), 0..100).prop_map(OnList::AppendMany),
        1 => Just(OnList::AppendClone),
        4 => any::<Index>().prop_map(OnList::Advance),
        1 => any::<Index>().prop_map(OnList::KeepFront),
        1 => any::<Index>().prop_map(OnList::KeepBack),
        1 => any::<Index>().prop_map(OnList::Rotate),
        1 => Just(OnList::Clear),
    ]
}

/// Doubling is the only step that multiplies; beyond this it is left out.
const LIST_BYTES_MAX: usize = 20_000;

fn step_list(pool: &Pool, list: &mut Sga, model: &mut Vec<u8>, step: &OnList) {
    let at = |index: &Index, model: &Vec<u8>| index.index(model.len() + 1);
    match step {
        OnList::PushPooled(bytes) => {
            list.push(pooled(pool, bytes));
            model.extend(bytes);
        }
        OnList::PushVec(bytes) => {
            list.push(Buf::copy_from_slice(bytes));
            model.extend(bytes);
        }
        OnList::PushPlaced(bytes) => {
            list.push(placed(bytes));
            model.extend(bytes);
        }
        OnList::AppendMany(many) => {
            list.append(many.iter().map(|bytes| pooled(pool, bytes)).collect());
            model.extend(many.concat());
        }
        OnList::AppendClone if model.len() < LIST_BYTES_MAX => {
            list.append(list.clone());
            model.extend_from_within(..);
        }
        OnList::AppendClone => {}
        OnList::Advance(index) => {
            let n = at(index, model);
            list.advance(n);
            model.drain(..n);
        }
        OnList::KeepFront(index) => {
            let n = at(index, model);
            let front = list.split_to(n);
            assert_eq!(list.concat(), model[n..]);
            *list = front;
            model.truncate(n);
        }
        OnList::KeepBack(index) => {
            let n = at(index, model);
            assert_eq!(list.split_to(n).concat(), model[..n]);
            model.drain(..n);
        }
        OnList::Rotate(index) => {
            let n = at(index, model);
            let front = list.split_to(n);
            list.append(front);
            model.rotate_left(n);
        }
        OnList::Clear => {
            list.clear();
            model.clear();
        }
    }
}

fn check_list(list: &Sga, model: &[u8]) {
    assert_eq!(list.len_bytes(), model.len());
    assert_eq!(list.is_empty(), model.is_empty());
    assert!(list.segments().iter().all(|segment| !segment.is_empty()));
    assert_eq!(list.concat(), model);
}

#[derive(Clone, Debug)]
enum OnBuf {
    Clone,
    Slice(Index, Index),
    SplitTo(Index),
    SplitOff(Index),
    Advance(Index),
    Truncate(Index),
    Drop,
    Rewrite(u8),
}

fn on_buf() -> impl Strategy<Value = (Index, OnBuf)> {
    let step = prop_oneof![
        Just(OnBuf::Clone),
        any::<(Index, Index)>().prop_map(|(a, b)| OnBuf::Slice(a, b)),
        any::<Index>().prop_map(OnBuf::SplitTo),
        any::<Index>().prop_map(OnBuf::SplitOff),
        any::<Index>().prop_map(OnBuf::Advance),
        any::<Index>().prop_map(OnBuf::Truncate),
        Just(OnBuf::Drop),
        any::<u8>().prop_map(OnBuf::Rewrite),
    ];
    (any::<Index>(), step)
}

/// One view of the buffer, and what it must show.
type View = (Buf, Vec<u8>);

fn step_buf(views: &mut Vec<View>, which: Index, step: &OnBuf) {
    let which = which.index(views.len());
    let (mut buf, mut model) = views.swap_remove(which);
    let at = |index: &Index, model: &Vec<u8>| index.index(model.len() + 1);
    match step {
        OnBuf::Clone => views.push((buf.clone(), model.clone())),
        OnBuf::Slice(a, b) => {
            let (a, b) = (at(a, &model), at(b, &model));
            let range = a.min(b)..a.max(b);
            views.push((buf.slice(range.clone()), model[range].to_vec()));
        }
        OnBuf::SplitTo(index) => {
            let n = at(index, &model);
            let back = model.split_off(n);
            views.push((buf.split_to(n), std::mem::replace(&mut model, back)));
        }
        OnBuf::SplitOff(index) => {
            let n = at(index, &model);
            views.push((buf.split_off(n), model.split_off(n)));
        }
        OnBuf::Advance(index) => {
            let n = at(index, &model);
            buf.advance(n);
            model.drain(..n);
        }
        OnBuf::Truncate(index) => {
            let n = at(index, &model);
            buf.truncate(n);
            model.truncate(n);
        }
        OnBuf::Drop if !views.is_empty() => return,
        OnBuf::Drop => {}
        OnBuf::Rewrite(byte) => match buf.try_mut() {
            Ok(mut writable) => {
                assert!(views.is_empty(), "writable, but read by {} others", views.len());
                writable.fill(*byte);
                model.fill(*byte);
                buf = writable.freeze();
            }
            Err(same) => {
                assert!(!views.is_empty(), "unique, but not writable");
                buf = same;
            }
        },
    }
    views.push((buf, model));
}

#[derive(Clone, Debug)]
enum OnBufMut {
    Push(Vec<u8>),
    Prepend(Vec<u8>),
    Fill(Vec<u8>),
    Truncate(Index),
    SetLen(Index),
    Clear,
    FreezeAndBack(Index, Index),
}

fn on_buf_mut() -> impl Strategy<Value = OnBufMut> {
    prop_oneof![
        bytes().prop_map(OnBufMut::Push),
        bytes().prop_map(OnBufMut::Prepend),
        bytes().prop_map(OnBufMut::Fill),
        any::<Index>().prop_map(OnBufMut::Truncate),
        any::<Index>().prop_map(OnBufMut::SetLen),
        Just(OnBufMut::Clear),
        any::<(Index, Index)>().prop_map(|(a, b)| OnBufMut::FreezeAndBack(a, b)),
    ]
}

/// The whole buffer as a vector, and which part of it is written.
struct MutModel {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

fn step_buf_mut(mut buffer: BufMut, model: &mut MutModel, step: &OnBufMut) -> BufMut {
    let capacity = model.memory.len() - model.start;
    match step {
        OnBufMut::Push(bytes) if bytes.len() <= buffer.spare() => {
            buffer.push_slice(bytes);
            model.memory[model.end..][..bytes.len()].copy_from_slice(bytes);
            model.end += bytes.len();
        }
        OnBufMut::Prepend(bytes) if bytes.len() <= buffer.headroom() => {
            buffer.prepend(bytes.len()).copy_from_slice(bytes);
            model.start -= bytes.len();
            model.memory[model.start..][..bytes.len()].copy_from_slice(bytes);
        }
        OnBufMut::Fill(bytes) if bytes.len() <= buffer.spare() => {
            buffer.spare_mut()[..bytes.len()].copy_from_slice(bytes);
            buffer.advance(bytes.len() / 2);
            model.memory[model.end..][..bytes.len()].copy_from_slice(bytes);
            model.end += bytes.len() / 2;
        }
        OnBufMut::Push(_) | OnBufMut::Prepend(_) | OnBufMut::Fill(_) => {}
        OnBufMut::Truncate(index) => {
            let n = index.index(capacity + 1);
            buffer.truncate(n);
            model.end = model.end.min(model.start + n);
        }
        OnBufMut::SetLen(index) => {
            let n = index.index(capacity + 1);
            buffer.set_len(n);
            model.end = model.start + n;
        }
        OnBufMut::Clear => {
            buffer.clear();
            model.end = model.start;
        }
        OnBufMut::FreezeAndBack(a, b) => {
            let len = model.end - model.start;
            let (a, b) = (a.index(len + 1), b.index(len + 1));
            let (from, to) = (a.min(b), a.max(b));
            let part = buffer.freeze().slice(from..to);
            (model.start, model.end) = (model.start + from, model.start + to);
            buffer = part.try_mut().expect("the whole was dropped, the part is unique");
        }
    }
    buffer
}

fn check_buf_mut(buffer: &mut BufMut, model: &MutModel) {
    assert_eq!(&**buffer, &model.memory[model.start..model.end]);
    assert_eq!(buffer.len(), model.end - model.start);
    assert_eq!(buffer.headroom(), model.start);
    assert_eq!(buffer.spare(), model.memory.len() - model.end);
    assert_eq!(buffer.capacity(), model.memory.len() - model.start);
    assert_eq!(buffer.spare_mut(), &model.memory[model.end..]);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_list_is_a_vector(steps in vec(on_list(), 0..60)) {
        let pool = pool();
        let (mut list, mut model) = (Sga::new(), Vec::new());
        for step in &steps {
            step_list(&pool, &mut list, &mut model, step);
            check_list(&list, &model);
        }
        drop(list);
        prop_assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn what_was_sent_is_given_back_at_once(sizes in vec(1..BUFFER_BYTES, 1..200), steps in vec(1..200_usize, 1..200)) {
        let pool = pool();
        let mut list: Sga = sizes.iter().map(|&size| pooled(&pool, &vec![7; size])).collect();
        for step in steps {
            list.advance(step.min(list.len_bytes()));
            prop_assert_eq!(pool.in_use(), list.segments().len());
        }
    }

    #[test]
    fn views_of_a_buffer_are_slices_of_a_vector(content in bytes(), steps in vec(on_buf(), 0..60)) {
        let pool = pool();
        let mut views = vec![(pooled(&pool, &content), content)];
        for (which, step) in &steps {
            step_buf(&mut views, *which, step);
            for (buf, model) in &views {
                prop_assert_eq!(&**buf, &model[..]);
            }
            prop_assert_eq!(pool.in_use(), 1);
        }
        drop(views);
        prop_assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn a_writable_buffer_is_a_window_of_a_vector(steps in vec(on_buf_mut(), 0..60)) {
        let mut buffer = pool().take().expect("a new pool has buffers");
        let size = buffer.headroom() + buffer.capacity();
        let mut model = MutModel { memory: vec![0; size], start: HEADROOM_BYTES, end: HEADROOM_BYTES };
        for step in &steps {
            buffer = step_buf_mut(buffer, &mut model, step);
            check_buf_mut(&mut buffer, &model);
        }
    }
}
