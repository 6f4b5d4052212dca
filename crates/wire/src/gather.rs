//! Which fields of a message are not copied into it but go out from where they lie.
//!
//! A message is looked through once before it is written ([`Gatherer::plan`]): that costs a few comparisons a field, and
//! touches neither the bytes nor their counts. Then its length is known, and it is written in one pass.

use crake_mem::{BufMut, Sga};

use crate::{Encode, Payload};

/// What a queue takes, and from where on it pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A field of fewer bytes is copied: to count a buffer, and to have one more segment sent, costs as much as copying about so
    /// many. `crake bench wire --calibrate` finds it for a machine and a queue.
    pub gather_min: usize,
    /// Most segments behind a message: of those above, the smallest are copied.
    pub segments_max: usize,
    /// Most bytes that are copied into the message itself. Of one that would be longer, what is large is copied behind it.
    pub message_max: usize,
}

impl Limits {
    /// Where gathering begins to pay over the queues of this crate's kin, as measured (`docs/wire.md`).
    pub const GATHER_MIN: usize = 2048;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            gather_min: Self::GATHER_MIN,
            segments_max: 64,
            message_max: u32::MAX as usize,
        }
    }
}

/// Plans messages for one queue. It keeps what it needs for that, so that no message allocates.
#[derive(Debug, Default)]
pub struct Gatherer {
    limits: Limits,
    candidates: Vec<Candidate>,
}

/// A field that may be gathered.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Bytes of each of its pieces, on average.
    piece_len: usize,
    pieces: usize,
}

impl Gatherer {
    /// For a queue with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            candidates: Vec::new(),
        }
    }

    /// Decides for each field of `message` which way it goes.
    ///
    /// # Panics
    ///
    /// As [`Encode::encoded_len`].
    pub fn plan<M: Encode + ?Sized>(&mut self, message: &M) -> Plan {
        self.plan_within(message, self.limits.message_max)
    }

    /// The same with another limit on what is copied into the message itself.
    ///
    /// # Panics
    ///
    /// As [`plan`](Self::plan).
    pub fn plan_within<M: Encode + ?Sized>(&mut self, message: &M, message_max: usize) -> Plan {
        let limits = self.limits;
        // First, because it refuses messages that lie too deep within each other.
        let len = message.encoded_len();
        if len < limits.gather_min && len <= message_max {
            return Plan::copied(len);
        }
        let mut plan = self.plan_for(message, limits.segments_max, false);
        if len - plan.gathered_len() > message_max {
            // One segment is for what is carried.
            plan = self.plan_for(message, limits.segments_max.saturating_sub(1), true);
        }
        Plan {
            message: len - plan.gathered_len(),
            ..plan
        }
    }

    fn plan_for<M: Encode + ?Sized>(&mut self, message: &M, pieces_max: usize, carries: bool) -> Plan {
        let all = Cut {
            above: self.limits.gather_min.saturating_sub(1),
            pieces_at: 0,
            carries,
        };
        let plan = self.survey(message, all);
        if plan.pieces <= pieces_max {
            return plan;
        }
        let cut = self.cut(all, pieces_max);
        self.survey(message, cut)
    }

    fn survey<M: Encode + ?Sized>(&mut self, message: &M, cut: Cut) -> Plan {
        self.candidates.clear();
        let mut survey = Survey {
            plan: Plan {
                cut,
                ..Plan::copied(0)
            },
            cut,
            candidates: &mut self.candidates,
        };
        message.survey(&mut survey);
        survey.plan
    }

    /// Leaves as many of the largest as there may be: all that have longer pieces than some, and as many of these as there is
    /// room for.
    fn cut(&mut self, all: Cut, pieces_max: usize) -> Cut {
        self.candidates
            .sort_unstable_by_key(|candidate| std::cmp::Reverse(candidate.piece_len));
        let (mut longer, mut above) = (0, usize::MAX);
        let mut seen = 0;
        for candidate in &self.candidates {
            if candidate.piece_len < above {
                (longer, above) = (seen, candidate.piece_len);
            }
            seen += candidate.pieces;
            if seen > pieces_max {
                break;
            }
        }
        Cut {
            above,
            pieces_at: pieces_max - longer,
            ..all
        }
    }
}

/// Which fields of one message go out from where they lie. It holds for the message that it was made of, as it was then.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    cut: Cut,
    /// Bytes of the message without these.
    message: usize,
    /// Bytes that go out from where they are.
    held: usize,
    /// Bytes that are copied, but behind the message.
    carried: usize,
    pieces: usize,
}

/// Where the line is between what is copied and what is gathered.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// What has pieces longer than this is gathered.
    above: usize,
    /// And of what has pieces of just this length, the first, up to so many pieces.
    pieces_at: usize,
    /// Whether what nobody counts is copied behind the message instead of into it.
    carries: bool,
}

impl Plan {
    /// All of a message of so many bytes is copied into it.
    fn copied(message: usize) -> Self {
        Self {
            cut: Cut {
                above: usize::MAX,
                pieces_at: 0,
                carries: false,
            },
            message,
            held: 0,
            carried: 0,
            pieces: 0,
        }
    }

    /// Bytes of the message's own place.
    #[inline]
    #[must_use]
    pub fn message_len(&self) -> usize {
        self.message
    }

    /// Bytes that are not part of the message's own place but follow it.
    #[inline]
    #[must_use]
    pub fn gathered_len(&self) -> usize {
        self.held + self.carried
    }

    /// Whether everything is copied into the message.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gathered_len() == 0
    }
}

/// The way of one field.
enum Way {
    Copied,
    Held,
    Carried,
}

impl Cut {
    /// The way of the next field: to be asked for all fields in the order in which they are written.
    #[inline]
    fn way(&mut self, bytes: &Payload<'_>) -> Way {
        let (len, pieces) = (bytes.len(), bytes.counted_pieces());
        if len == 0 {
            Way::Copied
        } else if pieces > 0 && self.has_room(len / pieces, pieces) {
            Way::Held
        } else if self.carries && len >= CARRIED_MIN {
            Way::Carried
        } else {
            Way::Copied
        }
    }

    #[inline]
    fn has_room(&mut self, piece_len: usize, pieces: usize) -> bool {
        if piece_len != self.above || pieces > self.pieces_at {
            return piece_len > self.above;
        }
        self.pieces_at -= pieces;
        true
    }
}

/// What is shorter stays in a message that is too long: its pointer is there anyway.
const CARRIED_MIN: usize = 64;

/// What a message shows its fields to before it is written: see [`Encode::survey`].
#[derive(Debug)]
pub struct Survey<'s> {
    plan: Plan,
    /// What is left of the plan's.
    cut: Cut,
    candidates: &'s mut Vec<Candidate>,
}

impl Survey<'_> {
    /// Shows a field, in the order in which fields are written.
    #[inline]
    pub fn payload<'p>(&mut self, bytes: impl Into<Payload<'p>>) {
        let bytes = bytes.into();
        match self.cut.way(&bytes) {
            Way::Copied => {}
            Way::Carried => self.plan.carried += bytes.len(),
            Way::Held => {
                let pieces = bytes.counted_pieces();
                self.plan.held += bytes.len();
                self.plan.pieces += pieces;
                let piece_len = bytes.len() / pieces;
                self.candidates.push(Candidate { piece_len, pieces });
            }
        }
    }

    /// Shows the fields of nested messages.
    #[inline]
    pub fn messages<M: Encode>(&mut self, messages: &[M]) {
        for message in messages {
            message.survey(self);
        }
    }

    /// Shows a list of fields.
    #[inline]
    pub fn payloads<'p, P: Copy + Into<Payload<'p>>>(&mut self, list: &[P]) {
        for bytes in list {
            self.payload(*bytes);
        }
    }
}

/// Where a writer puts payload that need not be copied. `()` copies all.
pub trait Beside {
    /// Takes `bytes` and says at which offset of the frame they will lie, or leaves them to be copied.
    fn take(&mut self, bytes: &Payload<'_>) -> Option<usize>;
}

impl Beside for () {
    #[inline(always)]
    fn take(&mut self, _: &Payload<'_>) -> Option<usize> {
        None
    }
}

/// What goes out behind a message that is being written: first what is held, then what is carried.
#[derive(Debug)]
pub(crate) struct Gathering<'g> {
    cut: Cut,
    list: &'g mut Sga,
    /// Of the next byte that is held.
    offset: usize,
    /// Of the first byte that is carried.
    carried_offset: usize,
    carried: Option<BufMut>,
}

impl<'g> Gathering<'g> {
    /// Behind a message whose own place is `message_len` long.
    ///
    /// # Panics
    ///
    /// If all would be longer than an offset reaches.
    pub(crate) fn new(plan: Plan, message_len: usize, list: &'g mut Sga) -> Self {
        assert!(
            u32::try_from(message_len + plan.gathered_len()).is_ok(),
            "a message has at most u32::MAX bytes"
        );
        Self {
            cut: plan.cut,
            list,
            offset: message_len,
            carried_offset: message_len + plan.held,
            carried: (plan.carried > 0).then(|| BufMut::with_capacity(plan.carried)),
        }
    }

    /// All of it is there.
    pub(crate) fn finish(self) {
        if let Some(carried) = self.carried {
            self.list.push(carried.freeze());
        }
    }

    fn hold(&mut self, bytes: &Payload<'_>) -> usize {
        let offset = self.offset;
        self.offset += bytes.len();
        bytes.push_to(self.list);
        offset
    }

    fn carry(&mut self, bytes: &Payload<'_>) -> Option<usize> {
        let carried = self.carried.as_mut()?;
        let offset = self.carried_offset + carried.len();
        bytes.copy_to(carried.put(bytes.len()));
        Some(offset)
    }
}

impl Beside for &mut Gathering<'_> {
    #[inline]
    fn take(&mut self, bytes: &Payload<'_>) -> Option<usize> {
        match self.cut.way(bytes) {
            Way::Copied => None,
            Way::Held => Some(self.hold(bytes)),
            Way::Carried => self.carry(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use crake_mem::Buf;

    use super::*;
    use crate::{Message, Present, Writer, payloads_bytes};

    /// A message of one list.
    struct Parts<'a>(&'a [Payload<'a>]);

    impl Encode for Parts<'_> {
        const GATHERS: bool = true;

        fn encoded_len(&self) -> usize {
            self.present().head_bytes() + payloads_bytes(self.0)
        }

        fn encode(&self, out: &mut [u8]) {
            Writer::frame(out, self);
        }

        fn survey(&self, survey: &mut Survey<'_>) {
            survey.payloads(self.0);
        }

        fn encode_gathered(&self, out: &mut [u8], plan: Plan, beside: &mut Sga) {
            Writer::gathered(out, self, plan, beside);
        }
    }

    impl Parts<'_> {
        fn present(&self) -> Present<1> {
            Present::none().with::<1>(true)
        }
    }

    impl Message for Parts<'_> {
        fn write<B: Beside>(&self, writer: &mut Writer<'_, B>) {
            let mut head = writer.head(self.present());
            head.put(writer.payloads(self.0));
        }
    }

    /// The message, and how long the segments behind it are.
    fn sent(limits: Limits, parts: &[Payload<'_>]) -> (Vec<u8>, Vec<usize>) {
        let message = Parts(parts);
        let plan = Gatherer::new(limits).plan(&message);
        let (mut out, mut beside) = (vec![0; plan.message_len()], Sga::new());
        message.encode_gathered(&mut out, plan, &mut beside);
        assert_eq!(beside.len_bytes(), plan.gathered_len());
        let lens = beside.segments().iter().map(|segment| segment.len()).collect();
        let bufs: Vec<Buf> = beside.segments().iter().map(|segment| segment.to_buf()).collect();
        let frame = crate::Gathered::new(&out, &bufs);
        let reader = crate::Reader::<1, _>::parse(frame).unwrap();
        let read = reader.list::<Payload<'_>, 1>().unwrap();
        assert!(read.map(Result::unwrap).eq(parts.iter().copied()));
        (out, lens)
    }

    fn bufs(lens: &[usize]) -> Vec<Buf> {
        let mut value = 0;
        let mut next = || {
            value = (value + 1) % 251;
            value
        };
        lens.iter()
            .map(|&len| Buf::from_vec((0..len).map(|_| next()).collect()))
            .collect()
    }

    fn limits(gather_min: usize, segments_max: usize, message_max: usize) -> Limits {
        Limits {
            gather_min,
            segments_max,
            message_max,
        }
    }

    #[test]
    fn what_is_large_and_counted_goes_out_from_where_it_is() {
        let bufs = bufs(&[99, 100, 0, 500]);
        let slice = [7; 1000];
        let mut parts: Vec<Payload<'_>> = bufs.iter().map(Payload::from).collect();
        parts.push(Payload::from(&slice));
        let (_, lens) = sent(limits(100, 9, usize::MAX), &parts);
        assert_eq!(lens, [100, 500]);
    }

    #[test]
    fn the_smallest_are_copied_when_there_are_too_many() {
        let bufs = bufs(&[200, 300, 200, 400, 200, 100]);
        let parts: Vec<Payload<'_>> = bufs.iter().map(Payload::from).collect();
        for (segments_max, expected) in [
            (6, &[200, 300, 200, 400, 200, 100][..]),
            (5, &[200, 300, 200, 400, 200]),
            (4, &[200, 300, 200, 400]),
            (3, &[200, 300, 400]),
            (2, &[300, 400]),
            (1, &[400]),
            (0, &[]),
        ] {
            assert_eq!(sent(limits(100, segments_max, usize::MAX), &parts).1, expected);
        }
    }

    #[test]
    fn a_field_of_several_pieces_counts_as_so_many() {
        let bufs = bufs(&[300, 300, 300, 250]);
        let spread = Payload::within(&bufs[..3], 3 * bufs[0].len(), 50, 800).unwrap();
        let parts = [Payload::from(&bufs[3]), spread];
        assert_eq!(sent(limits(100, 4, usize::MAX), &parts).1, [250, 250, 300, 250]);
        assert_eq!(sent(limits(100, 3, usize::MAX), &parts).1, [250, 300, 250]);
        // It does not fit, and what is shorter does not go before it.
        assert_eq!(sent(limits(100, 2, usize::MAX), &parts).1, []);
    }

    #[test]
    fn a_message_that_is_too_long_is_carried_behind_itself() {
        let slices = [[1; 63].as_slice(), &[2; 5000], &[3; 70]];
        let bufs = bufs(&[2000, 80]);
        let mut parts: Vec<Payload<'_>> = slices.map(Payload::from).into();
        parts.extend(bufs.iter().map(Payload::from));
        let (message, lens) = sent(limits(1000, 2, 4096), &parts);
        assert_eq!(lens, [2000, 5000 + 70 + 80]);
        assert_eq!(message.len(), 16 + 5 * 8 + 63);
        // No room for what is held beside what is carried.
        assert_eq!(sent(limits(1000, 1, 4096), &parts).1, [5000 + 70 + 2000 + 80]);
        // With room it is as always.
        assert_eq!(sent(limits(1000, 2, 8192), &parts).1, [2000]);
    }

    #[test]
    fn planning_again_and_again_allocates_nothing() {
        let bufs = bufs(&[5000; 40]);
        let parts: Vec<Payload<'_>> = bufs.iter().map(Payload::from).collect();
        let mut gatherer = Gatherer::default();
        assert_eq!(gatherer.plan(&Parts(&parts)).gathered_len(), 40 * 5000);
        let capacity = gatherer.candidates.capacity();
        for _ in 0..100 {
            gatherer.plan(&Parts(&parts));
        }
        assert_eq!(gatherer.candidates.capacity(), capacity);
    }
}
