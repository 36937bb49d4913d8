//! A tar as it streams by: whether there is anything in its folder, and whether it came to its end. What is in it is never kept.

/// Length of a block, in bytes.
const BLOCK: usize = 512;
/// What the disks of some volumes have at their top, and nobody wrote.
const NOBODYS: &[u8] = b"lost+found";

/// A tar of one folder, read block by block.
#[derive(Debug, Clone, Default)]
pub struct Tar {
    /// The part of a block that came so far.
    part: Vec<u8>,
    /// Blocks of content until the next head.
    skip: u64,
    /// Whether something lies in the folder.
    has_content: bool,
    /// Blocks of nothing at the end.
    empty: u32,
}

impl Tar {
    /// Reads on.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // Whole blocks of content are passed over at once.
            if self.part.is_empty() && self.skip > 0 && bytes.len() >= BLOCK {
                let blocks = self.skip.min((bytes.len() / BLOCK) as u64);
                self.skip -= blocks;
                bytes = &bytes[usize::try_from(blocks).expect("they are in the piece") * BLOCK..];
                continue;
            }
            let take = (BLOCK - self.part.len()).min(bytes.len());
            self.part.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if self.part.len() == BLOCK {
                let block = std::mem::take(&mut self.part);
                match self.skip {
                    0 => self.head(&block),
                    _ => self.skip -= 1,
                }
            }
        }
    }

    /// Whether something lies in the folder.
    pub fn has_content(&self) -> bool {
        self.has_content
    }

    /// Whether its end came: two blocks of nothing.
    pub fn is_whole(&self) -> bool {
        self.empty >= 2 && self.part.is_empty() && self.skip == 0
    }

    fn head(&mut self, block: &[u8]) {
        if block.iter().all(|byte| *byte == 0) {
            self.empty += 1;
            return;
        }
        self.empty = 0;
        self.skip = size(&block[124..136]).div_ceil(BLOCK as u64);
        // Heads that say more of the next one.
        if matches!(block[156], b'x' | b'g' | b'L' | b'K') {
            return;
        }
        let name = block[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = name.strip_prefix(b"./").unwrap_or(name);
        // The folder itself has one part.
        let below = name.iter().position(|byte| *byte == b'/').map_or(&[][..], |at| &name[at + 1..]);
        let below = below.strip_suffix(b"/").unwrap_or(below);
        self.has_content |= !below.is_empty() && below != NOBODYS;
    }
}

/// A number in octal digits, or in bytes where its first bit says so.
fn size(field: &[u8]) -> u64 {
    if field[0] & 0x80 != 0 {
        return field[1..].iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    }
    let digits = field.iter().filter(|byte| (b'0'..=b'7').contains(byte));
    digits.fold(0, |sum, byte| sum * 8 + u64::from(byte - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &str, kind: u8, size: usize) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = kind;
        block
    }

    fn read(bytes: &[u8], piece: usize) -> Tar {
        let mut tar = Tar::default();
        bytes.chunks(piece).for_each(|piece| tar.read(piece));
        tar
    }

    #[test]
    fn a_folder_alone_is_empty_and_only_the_end_makes_it_whole() {
        let end = vec![0; 2 * BLOCK];
        let folder = head("silo/", b'5', 0);
        let empty = [folder.clone(), head("silo/lost+found/", b'5', 0), end.clone()].concat();
        // The content of a file looks like an end.
        let content = vec![0; 3 * BLOCK];
        let file = [folder.clone(), head("p", b'x', 20), vec![b'7'; BLOCK], head("silo/a", b'0', 1100), content];
        let file = file.concat();
        for piece in [1, 100, 512, 700, 4096] {
            let tar = read(&empty, piece);
            assert!(!tar.has_content() && tar.is_whole(), "{piece}");
            let tar = read(&[folder.clone(), end.clone()].concat(), piece);
            assert!(!tar.has_content() && tar.is_whole(), "{piece}");
            assert!(read(&file, piece).has_content() && !read(&file, piece).is_whole(), "{piece}");
            assert!(read(&[file.clone(), end.clone()].concat(), piece).is_whole(), "{piece}");
            assert!(!read(&empty[..empty.len() - 1], piece).is_whole(), "{piece}");
            assert!(!read(&file[..file.len() - BLOCK], piece).is_whole(), "{piece}");
        }
        assert!(!read(&[], 1).is_whole());
        let big = size(&[0x80, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0]);
        assert_eq!((big, size(b"00000001750\0")), (1 << 36, 1000));
    }
}
