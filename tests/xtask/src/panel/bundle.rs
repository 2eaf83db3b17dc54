//! From one `.wasm` and the files of `panel/` to what a browser loads, each named by its content.
//!
//! `panel/index.html` refers to `/boot.js` and `/style.css`; here they get their real names. The
//! content security policy allows no inline script, so the two lines that start the panel are a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;
use wasm_bindgen_cli_support::Bindgen;

/// The page of a panel that has none of its own yet.
const BARE_PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width\">\n<title>Vivarium</title>\n\
<link rel=\"stylesheet\" href=\"/style.css\">\n<script type=\"module\" src=\"/boot.js\"></script>\n\
</head>\n<body></body>\n</html>\n";

/// The order in which style sheets depend on one another; others follow by name.
const SHEETS_FIRST: [&str; 3] = ["tokens.css", "base.css", "parts.css"];

/// Writes the panel of the folder `panel`, compiled to `wasm`, into `dist`.
pub(crate) fn write(panel: &Path, wasm: &Path, dist: &Path) -> Result<()> {
    bind(wasm, dist)?;
    let wasm = by_content(dist, "panel_bg.wasm", "panel", "wasm")?;
    let glue = by_content(dist, "panel.js", "panel", "js")?;
    fs::write(dist.join("boot.js"), boot(&glue, &wasm))?;
    let boot = by_content(dist, "boot.js", "boot", "js")?;
    fs::write(dist.join("style.css"), style(&panel.join("style"))?)?;
    let style = by_content(dist, "style.css", "style", "css")?;
    let page = fs::read_to_string(panel.join("index.html")).unwrap_or_else(|_| BARE_PAGE.into());
    fs::write(dist.join("index.html"), with_real_names(&page, &boot, &style))?;
    copy(&panel.join("assets"), &dist.join("assets"))
}

fn bind(wasm: &Path, dist: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).out_name("panel").typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true);
    bindgen.web(true).context("the panel is bound as a module of the web")?;
    bindgen.generate(dist).with_context(|| format!("cannot bind {}", wasm.display()))
}

/// Two lines, because the library's default path is none: `init()` alone would fetch nothing.
fn boot(glue: &str, wasm: &str) -> String {
    format!(
        "import init from './{glue}';\ninit({{ module_or_path: new URL('./{wasm}', import.meta.url) }});\n"
    )
}

fn style(folder: &Path) -> Result<String> {
    let place = |name: &str| {
        SHEETS_FIRST.iter().position(|first| *first == name).unwrap_or(SHEETS_FIRST.len())
    };
    let mut names: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| file.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "css"))
        .collect();
    names.sort_by_key(|name| (place(name), name.clone()));
    let mut whole = String::new();
    for name in names {
        whole.push_str(
            &fs::read_to_string(folder.join(&name))
                .with_context(|| format!("cannot read {name}"))?,
        );
        whole.push('\n');
    }
    Ok(whole)
}

fn with_real_names(page: &str, boot: &str, style: &str) -> String {
    page.replace("/boot.js", &format!("/{boot}")).replace("/style.css", &format!("/{style}"))
}

/// Renames `dist/file` so that its name changes with its content and may be kept for ever.
fn by_content(dist: &Path, file: &str, stem: &str, kind: &str) -> Result<String> {
    let bytes = fs::read(dist.join(file)).with_context(|| format!("cannot read {file}"))?;
    let hash = hex::encode(Sha256::digest(&bytes).iter().take(8).copied().collect::<Vec<_>>());
    let name = format!("{stem}-{hash}.{kind}");
    fs::rename(dist.join(file), dist.join(&name))?;
    Ok(name)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in
        WalkDir::new(from).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let inside = entry.path().strip_prefix(from).context("the walk stays inside its folder")?;
        let place = to.join(inside);
        fs::create_dir_all(place.parent().context("a file lies in a folder")?)?;
        fs::copy(entry.path(), &place)
            .with_context(|| format!("cannot copy {}", inside.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_another_name_when_its_content_changes() {
        let folder = tempfile::tempdir().unwrap();
        let name = |text: &str| {
            fs::write(folder.path().join("boot.js"), text).unwrap();
            by_content(folder.path(), "boot.js", "boot", "js").unwrap()
        };
        let (one, two) = (name("one"), name("two"));
        assert_ne!(one, two);
        assert_eq!(one, name("one"));
        assert_eq!(one.len(), "boot-.js".len() + 16);
    }

    #[test]
    fn sheets_are_joined_with_their_tokens_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["parts.css", "extra.css", "tokens.css", "base.css", "note.md"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        assert_eq!(style(folder.path()).unwrap(), "tokens.css\nbase.css\nparts.css\nextra.css\n");
    }

    #[test]
    fn the_page_refers_to_the_files_that_exist() {
        let page = with_real_names(BARE_PAGE, "boot-1.js", "style-2.css");
        assert!(page.contains("src=\"/boot-1.js\"") && page.contains("href=\"/style-2.css\""));
        assert!(!page.contains("<script>"), "the policy allows no inline script");
    }
}
