//! An input as a script: what a peer does, step by step. Whatever the bytes are, they say something.

pub struct Script<'i>(&'i [u8]);

impl<'i> Script<'i> {
    pub fn new(input: &'i [u8]) -> Script<'i> {
        Script(input)
    }

    /// What is to be done next; nothing at the end.
    pub fn step(&mut self) -> Option<u8> {
        (!self.0.is_empty()).then(|| self.byte())
    }

    /// 0 at the end, as everything else.
    pub fn byte(&mut self) -> u8 {
        let byte = self.0.split_off_first();
        byte.copied().unwrap_or_default()
    }

    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub fn bytes(&mut self, len: usize) -> &'i [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A length: mostly short, in some cases longer than a piece that is received.
    pub fn len(&mut self) -> usize {
        match self.byte() {
            long @ 224.. => usize::from(long - 223) * 3001,
            short => usize::from(short) % 80,
        }
    }
}
