//! How a reply's text leaves: escaped and bounded for people, without controls for the wire.

/// Lines and octets kept for people, mark included (N34).
const MAX_LINES: usize = 20;
const MAX_OCTETS: usize = 2048;
const MARK: &str = " [truncated]";

/// The lines escaped and joined by `line_break`, cut with a mark where there are too many (N34, R44).
pub(super) fn render<'a>(lines: impl Iterator<Item = &'a [u8]>, line_break: &str) -> String {
    let mut text = Clipped::default();
    for (index, line) in lines.enumerate() {
        if index == MAX_LINES {
            return text.cut();
        }
        if !((index == 0 || text.push(line_break)) && push_escaped(&mut text, line)) {
            return text.cut();
        }
    }
    text.whole
}

/// `false` as soon as something no longer fits.
fn push_escaped(text: &mut Clipped, line: &[u8]) -> bool {
    let mut piece = String::new();
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            piece.clear();
            match character {
                '\0'..' ' | '\x7f' => piece = format!("\\x{:02x}", u32::from(character)),
                _ if is_deceptive(character) => piece.extend(character.escape_unicode()),
                _ => piece.push(character),
            }
            if !text.push(&piece) {
                return false;
            }
        }
        for octet in chunk.invalid() {
            if !text.push(&format!("\\x{octet:02x}")) {
                return false;
            }
        }
    }
    true
}

/// C1 controls, Unicode's own line ends, and characters that reorder what a terminal shows or hide in it.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text that never outgrows [`MAX_OCTETS`] and remembers where a mark still fits.
#[derive(Default)]
struct Clipped {
    whole: String,
    /// The longest prefix of whole pieces that leaves room for the mark.
    safe: usize,
}

impl Clipped {
    fn push(&mut self, piece: &str) -> bool {
        if self.whole.len() + piece.len() > MAX_OCTETS {
            return false;
        }
        self.whole.push_str(piece);
        if self.whole.len() + MARK.len() <= MAX_OCTETS {
            self.safe = self.whole.len();
        }
        true
    }

    fn cut(mut self) -> String {
        self.whole.truncate(self.safe);
        self.whole.push_str(MARK);
        self.whole
    }
}

/// `text` with CRLF turned into LF, and every other CR and NUL into a visible escape: what remains can
/// break lines only at LF, where the writer repeats the code.
pub(super) fn without_line_breaks(text: Vec<u8>) -> Vec<u8> {
    if memchr::memchr2(b'\r', b'\0', &text).is_none() {
        return text;
    }
    let mut clean = Vec::with_capacity(text.len());
    let mut octets = text.iter().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' if octets.peek() == Some(&&b'\n') => {}
            b'\r' | b'\0' => push_hex(*octet, &mut clean),
            _ => clean.push(*octet),
        }
    }
    clean
}

/// Appends `line` with its controls escaped; HTAB and octets from 0x80 on pass (RFC 5321 §4.2, RFC 6531 §3.7.4).
pub(super) fn write_without_controls(line: &[u8], out: &mut Vec<u8>) {
    for run in line.chunk_by(|a, b| !is_control(*a) && !is_control(*b)) {
        match run {
            [octet] if is_control(*octet) => push_hex(*octet, out),
            _ => out.extend_from_slice(run),
        }
    }
}

fn is_control(octet: u8) -> bool {
    octet.is_ascii_control() && octet != b'\t'
}

fn push_hex(octet: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\\x{octet:02x}").as_bytes());
}
