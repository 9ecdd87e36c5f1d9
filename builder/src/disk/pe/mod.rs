//! Appending sections to a PE32+ executable.
//!
//! An EFI stub and named sections in, a larger executable out. Nothing is loaded or relocated. What
//! lies behind the stub's last section (symbol table, signature) is dropped: it would lie under the
//! new sections, and a signature no longer holds.
//!
//! Source: Microsoft PE Format, "COFF File Header", "Optional Header", "Section Table".

/// Bytes of one entry of the section table.
const SECTION_HEADER: usize = 40;
/// Bytes of the COFF header behind the signature `PE\0\0`.
const COFF_HEADER: usize = 20;
/// `IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ`.
const INITIALIZED_DATA: u32 = 0x4000_0040;

/// Offsets in the optional header of PE32+.
mod optional {
    pub const SIZE_OF_INITIALIZED_DATA: usize = 8;
    pub const SECTION_ALIGNMENT: usize = 32;
    pub const FILE_ALIGNMENT: usize = 36;
    pub const SIZE_OF_IMAGE: usize = 56;
    pub const SIZE_OF_HEADERS: usize = 60;
    pub const CHECKSUM: usize = 64;
    /// Data directory of attribute certificates.
    pub const SECURITY: usize = 144;
    /// Bytes up to the end of the directory above.
    pub const LEAST_SIZE: usize = 152;
}

/// A section to append.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// At most eight bytes, with the dot.
    pub name: &'a str,
    /// Its bytes.
    pub content: &'a [u8],
}

/// An executable that cannot be extended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// It ends before its headers do, or they contradict each other.
    #[error("expected a PE32+ executable, found {0}")]
    NotPe(&'static str),
    /// Every byte before the first section is taken.
    #[error("no header space for {wanted} more sections, room for {free}")]
    HeaderSpace {
        /// Sections to append.
        wanted: usize,
        /// Entries that still fit the section table.
        free: usize,
    },
    /// A name that the section table cannot hold.
    #[error("expected a section name of at most 8 bytes, found `{0}`")]
    Name(String),
    /// The image would pass 4 GiB.
    #[error("expected an executable below 4 GiB")]
    Size,
}

/// An executable that is being extended; offsets are checked once, by [`Image::parse`].
#[derive(Debug)]
struct Image {
    bytes: Vec<u8>,
    /// Offset of the COFF header.
    coff: usize,
    /// Offset of the optional header.
    optional: usize,
    /// Offset of the section table.
    table: usize,
    /// Entries of the section table.
    sections: usize,
    section_alignment: usize,
    file_alignment: usize,
    /// First address after the last section, relative to the image base.
    end: usize,
}

/// Appends `sections` to `stub`, in order.
///
/// Addresses follow the last section of the stub, rounded to its own alignment, and count from its
/// image base, whatever that is.
///
/// # Errors
/// `stub` is no PE32+ executable or has no room in its headers; a name or the sum is too long.
pub fn append(stub: &[u8], sections: &[Section<'_>]) -> Result<Vec<u8>, PeError> {
    let mut image = Image::parse(stub)?;
    image.check_header_space(sections.len())?;
    for section in sections {
        image.push(section)?;
    }
    image.finish()
}

impl Image {
    fn parse(stub: &[u8]) -> Result<Self, PeError> {
        let bytes = stub.to_vec();
        let pe = u32_at(&bytes, 0x3c)?;
        if bytes.get(..2) != Some(b"MZ") || bytes.get(pe..pe.saturating_add(4)) != Some(b"PE\0\0") {
            return Err(PeError::NotPe("no PE signature"));
        }
        let coff = pe + 4;
        let optional = coff + COFF_HEADER;
        let optional_size = u16_at(&bytes, coff + 16)?;
        if u16_at(&bytes, optional)? != 0x20b || optional_size < optional::LEAST_SIZE {
            return Err(PeError::NotPe("another kind of optional header"));
        }
        let mut image = Self {
            coff,
            optional,
            table: optional + optional_size,
            sections: u16_at(&bytes, coff + 2)?,
            section_alignment: u32_at(&bytes, optional + optional::SECTION_ALIGNMENT)?,
            file_alignment: u32_at(&bytes, optional + optional::FILE_ALIGNMENT)?,
            end: 0,
            bytes,
        };
        image.cut_behind_sections()?;
        Ok(image)
    }

    /// Finds where addresses and file end, and drops symbols and signature.
    fn cut_behind_sections(&mut self) -> Result<(), PeError> {
        if !self.section_alignment.is_power_of_two() || !self.file_alignment.is_power_of_two() {
            return Err(PeError::NotPe("an alignment that is no power of two"));
        }
        let mut file_end = 0;
        for index in 0..self.sections {
            let [virtual_size, address, raw_size, raw_start] = self.section(index)?;
            self.end = self.end.max(address.saturating_add(virtual_size));
            file_end = file_end.max(raw_start.saturating_add(raw_size));
        }
        if file_end > self.bytes.len() || file_end < self.table {
            return Err(PeError::NotPe("sections that lie outside the file"));
        }
        self.bytes.truncate(file_end);
        // Pointer to the symbol table and number of symbols; the certificate directory.
        self.put(self.coff + 8, &[0; 8]);
        self.put(self.optional + optional::SECURITY, &[0; 8]);
        Ok(())
    }

    /// Virtual size, virtual address, raw size, raw start of a section.
    fn section(&self, index: usize) -> Result<[usize; 4], PeError> {
        let header = self.table + index * SECTION_HEADER;
        let field = |at| u32_at(&self.bytes, header + at);
        Ok([field(8)?, field(12)?, field(16)?, field(20)?])
    }

    /// The table may grow up to the end of the headers and never into the first section.
    fn check_header_space(&self, wanted: usize) -> Result<(), PeError> {
        let mut limit = u32_at(&self.bytes, self.optional + optional::SIZE_OF_HEADERS)?;
        for index in 0..self.sections {
            let [_, _, raw_size, raw_start] = self.section(index)?;
            if raw_size > 0 {
                limit = limit.min(raw_start);
            }
        }
        let used = self.table + self.sections * SECTION_HEADER;
        let free = limit.saturating_sub(used) / SECTION_HEADER;
        if wanted > free {
            return Err(PeError::HeaderSpace { wanted, free });
        }
        Ok(())
    }

    fn push(&mut self, section: &Section<'_>) -> Result<(), PeError> {
        let name = section.name.as_bytes();
        if name.len() > 8 {
            return Err(PeError::Name(section.name.to_owned()));
        }
        let address = self.end.next_multiple_of(self.section_alignment);
        let raw_start = self.bytes.len().next_multiple_of(self.file_alignment);
        let raw_size = section.content.len().next_multiple_of(self.file_alignment);
        let header = self.table + self.sections * SECTION_HEADER;
        self.put(header, &[0; SECTION_HEADER]);
        self.put(header, name);
        for (at, value) in [
            (8, section.content.len()),
            (12, address),
            (16, raw_size),
            (20, raw_start),
        ] {
            self.put(header + at, &narrow(value)?.to_le_bytes());
        }
        self.put(header + 36, &INITIALIZED_DATA.to_le_bytes());
        self.bytes.resize(raw_start, 0);
        self.bytes.extend(section.content);
        self.bytes.resize(raw_start + raw_size, 0);
        self.end = address + section.content.len();
        self.sections += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, PeError> {
        let count = u16::try_from(self.sections).map_err(|_| PeError::Size)?;
        self.put(self.coff + 2, &count.to_le_bytes());
        self.put_size(
            optional::SIZE_OF_IMAGE,
            self.end.next_multiple_of(self.section_alignment),
        )?;
        self.put_size(optional::SIZE_OF_INITIALIZED_DATA, self.initialized_data()?)?;
        self.put_size(optional::CHECKSUM, 0)?;
        let checksum = checksum(&self.bytes).wrapping_add(narrow(self.bytes.len())?);
        self.put(self.optional + optional::CHECKSUM, &checksum.to_le_bytes());
        Ok(self.bytes)
    }

    /// Raw bytes of all sections that hold initialized data, the stub's own included.
    fn initialized_data(&self) -> Result<usize, PeError> {
        let mut sum = 0;
        for index in 0..self.sections {
            let flags = u32_at(&self.bytes, self.table + index * SECTION_HEADER + 36)?;
            if flags & 0x40 != 0 {
                sum += self.section(index)?[2];
            }
        }
        Ok(sum)
    }

    fn put_size(&mut self, field: usize, size: usize) -> Result<(), PeError> {
        let value = narrow(size)?;
        self.put(self.optional + field, &value.to_le_bytes());
        Ok(())
    }

    /// Overwrites bytes of the headers, whose room was checked before.
    fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }
}

/// The sum of all 16-bit words with the carry added back, as `ImageHlp`'s `CheckSumMappedFile`.
fn checksum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|word| match *word {
        [low, high] => u32::from(u16::from_le_bytes([low, high])),
        [low, ..] => u32::from(low),
        [] => 0,
    });
    words.fold(0, |sum, word| {
        let sum = sum + word;
        (sum & 0xffff) + (sum >> 16)
    })
}

fn narrow(value: usize) -> Result<u32, PeError> {
    u32::try_from(value).map_err(|_| PeError::Size)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<usize, PeError> {
    let field = bytes.get(at..).and_then(|tail| tail.first_chunk());
    let field = field.ok_or(PeError::NotPe("a file that ends in its headers"))?;
    Ok(usize::from(u16::from_le_bytes(*field)))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<usize, PeError> {
    Ok(u16_at(bytes, at)? | u16_at(bytes, at.saturating_add(2))? << 16)
}

#[cfg(test)]
pub(super) mod tests;
