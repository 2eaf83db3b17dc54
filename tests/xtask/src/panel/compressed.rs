//! `.br` and `.gz` beside each file, so that the gateway only has to choose.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, Result};
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use walkdir::WalkDir;

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// For the next minute.
    Quick,
    /// For everybody.
    Full,
}

/// One file and what it weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Weighed {
    /// Its path inside the folder.
    pub(crate) name: String,
    /// Its own bytes.
    pub(crate) raw: u64,
    /// Its bytes in brotli.
    pub(crate) brotli: u64,
}

/// Compresses every file below `folder` and weighs it; heaviest first.
pub(crate) fn beside(folder: &Path, effort: Effort) -> Result<Vec<Weighed>> {
    let mut weighed = Vec::new();
    for entry in
        WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let path = entry.path();
        let name = path.strip_prefix(folder).context("the walk stays inside its folder")?;
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", name.display()))?;
        let brotli = brotli(&bytes, effort)?;
        write(path, "br", &brotli)?;
        write(path, "gz", &gzip(&bytes, effort)?)?;
        weighed.push(Weighed {
            name: name.display().to_string(),
            raw: bytes.len().try_into()?,
            brotli: brotli.len().try_into()?,
        });
    }
    weighed.sort_by(|one, other| {
        other.brotli.cmp(&one.brotli).then_with(|| one.name.cmp(&other.name))
    });
    Ok(weighed)
}

fn brotli(bytes: &[u8], effort: Effort) -> Result<Vec<u8>> {
    let quality = match effort {
        Effort::Quick => 4,
        Effort::Full => 11,
    };
    let params = BrotliEncoderParams { quality, lgwin: 22, ..BrotliEncoderParams::default() };
    let mut small = Vec::new();
    brotli::BrotliCompress(&mut Cursor::new(bytes), &mut small, &params)
        .context("brotli failed")?;
    Ok(small)
}

fn gzip(bytes: &[u8], effort: Effort) -> Result<Vec<u8>> {
    let level = match effort {
        Effort::Quick => Compression::fast(),
        Effort::Full => Compression::best(),
    };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes)?;
    encoder.finish().context("gzip failed")
}

fn write(path: &Path, kind: &str, bytes: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(kind);
    File::create(&name)?
        .write_all(bytes)
        .with_context(|| format!("cannot write {}", name.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_compressed_copy_reads_back_as_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = "one task goes the whole way\n".repeat(200);
        fs::write(folder.path().join("page.html"), &text).unwrap();
        let weighed = beside(folder.path(), Effort::Full).unwrap();
        assert_eq!((weighed.len(), weighed[0].raw), (1, 5_600));
        assert!(weighed[0].brotli < 200);

        let mut back = String::new();
        let gz = File::open(folder.path().join("page.html.gz")).unwrap();
        flate2::read::GzDecoder::new(gz).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
        back.clear();
        let br = File::open(folder.path().join("page.html.br")).unwrap();
        brotli::Decompressor::new(br, 4096).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
    }
}
