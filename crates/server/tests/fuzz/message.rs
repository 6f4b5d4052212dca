//! Messages of any shape (`docs/format/wire.md`), made as a script says: it need not find out how a message is laid out, and says names
//! that there are.

use crate::script::Script;

/// Names of what there is, could be, and can never be.
const NAMES: [&[u8]; 16] = [
    b"",
    b"a",
    b"a/f",
    b"a/m",
    b"a/m/part",
    b"t",
    b"k",
    b"b",
    b"/",
    b"a/b/c",
    b"jobs",
    b"jobs/1",
    b"a//f",
    b"sim://1:8",
    b"\xff",
    &[b'n'; 300],
];

/// A field's number and what is in it.
type Field = (u8, Value);

enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    /// A list of bytes.
    Many(Vec<Vec<u8>>),
    Message(Vec<Field>),
    Messages(Vec<Vec<Field>>),
    /// A list of numbers of 4 or of 8 bytes.
    Numbers(Vec<u64>, usize),
}

/// A message. `learned` are numbers out of answers, which name something perhaps.
pub fn make(script: &mut Script<'_>, learned: &[u64]) -> Vec<u8> {
    let fields = fields(script, learned, 2);
    let mut bytes = Vec::new();
    write(&fields, &mut bytes);
    // Some are spoiled.
    if script.byte() >= 224 {
        let at = usize::from(script.byte()) % bytes.len();
        bytes[at] ^= script.byte();
        bytes.truncate(bytes.len().saturating_sub(usize::from(script.byte()) % 4));
    }
    bytes
}

fn fields(script: &mut Script<'_>, learned: &[u64], depth: u8) -> Vec<Field> {
    let mut number = 0;
    let count = script.byte() % 10;
    let field = |_| {
        let what = script.byte();
        number += 1 + what / 16 % 3;
        (number, value(what % 16, script, learned, depth))
    };
    (0..count).map(field).collect()
}

fn value(what: u8, script: &mut Script<'_>, learned: &[u64], depth: u8) -> Value {
    match what {
        0..4 => Value::Number(script.byte().into()),
        4 => Value::Number(u64::from(script.short()) << (script.byte() % 64)),
        5 | 6 => Value::Number(known(script, learned)),
        7..10 => Value::Bytes(name(script)),
        10 => {
            let len = script.byte().into();
            Value::Bytes(script.bytes(len).to_vec())
        }
        11 => Value::Bytes(vec![b'v'; script.len()]),
        12 => Value::Many((0..script.byte() % 4).map(|_| name(script)).collect()),
        13 if depth > 0 => Value::Message(fields(script, learned, depth - 1)),
        14 if depth > 0 => {
            let count = script.byte() % 4;
            Value::Messages((0..count).map(|_| fields(script, learned, depth - 1)).collect())
        }
        _ => {
            let count = script.byte() % 8;
            let numbers = (0..count).map(|_| known(script, learned)).collect();
            Value::Numbers(numbers, if script.byte() < 128 { 4 } else { 8 })
        }
    }
}

fn known(script: &mut Script<'_>, learned: &[u64]) -> u64 {
    let which = script.byte();
    let at = usize::from(which).checked_rem(learned.len());
    at.map_or(which.into(), |at| learned[at])
}

fn name(script: &mut Script<'_>) -> Vec<u8> {
    NAMES[usize::from(script.byte()) % NAMES.len()].to_vec()
}

/// The message behind what is there.
fn write(fields: &[Field], out: &mut Vec<u8>) {
    let bitmap = fields
        .iter()
        .fold(0_u64, |bits, (number, _)| bits | 1 << (number - 1));
    out.extend(bitmap.to_le_bytes());
    let slots = out.len();
    out.resize(slots + 8 * fields.len(), 0);
    for (at, (_, value)) in (slots..).step_by(8).zip(fields) {
        let offset = out.len();
        let size = match value {
            Value::Number(number) => {
                out[at..at + 8].copy_from_slice(&number.to_le_bytes());
                continue;
            }
            Value::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                bytes.len()
            }
            Value::Message(fields) => {
                write(fields, out);
                out.len() - offset
            }
            Value::Many(list) => {
                write_list(list, out, |bytes, out| out.extend_from_slice(bytes));
                list.len()
            }
            Value::Messages(list) => {
                write_list(list, out, |fields, out| write(fields, out));
                list.len()
            }
            Value::Numbers(numbers, width) => {
                for number in numbers {
                    out.extend_from_slice(&number.to_le_bytes()[..*width]);
                }
                numbers.len()
            }
        };
        point(at, size, offset, out);
    }
}

fn write_list<T>(list: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    let pointers = out.len();
    out.resize(pointers + 8 * list.len(), 0);
    for (at, element) in (pointers..).step_by(8).zip(list) {
        let offset = out.len();
        write(element, out);
        point(at, out.len() - offset, offset, out);
    }
}

fn point(at: usize, size: usize, offset: usize, out: &mut [u8]) {
    out[at..at + 4].copy_from_slice(&(size as u32).to_le_bytes());
    out[at + 4..at + 8].copy_from_slice(&(offset as u32).to_le_bytes());
}
