//! Every relative link leads to a document that exists, in the library or in the same submission.

use pulldown_cmark::{Event, Parser, Tag};

use super::{Found, Material, Page};

pub(super) fn check(material: &Material) -> Found {
    let mut dead = Vec::new();
    for page in &material.documents {
        for (target, path) in linked(page) {
            let known = path.is_some_and(|path| {
                material.library.contains(&path)
                    || material.documents.iter().any(|p| p.path == path)
            });
            if !known {
                dead.push(format!("{target} (in {})", page.path));
            }
        }
    }
    if dead.is_empty() {
        return Found::CLEAN;
    }
    let dead = dead.join(", ");
    Found::blocking(format!("these links lead nowhere: {dead}; remove them or link what exists"))
}

/// The relative links of a page, each with the library path that it means.
pub(super) fn linked(page: &Page) -> impl Iterator<Item = (String, Option<String>)> {
    relative_targets(&page.body).into_iter().map(|target| {
        let path = resolve(&page.path, &target);
        (target, path)
    })
}

/// Destinations without a scheme, without their fragment.
fn relative_targets(body: &str) -> Vec<String> {
    let links = Parser::new(body).filter_map(|event| {
        if let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event {
            Some(dest_url)
        } else {
            None
        }
    });
    links
        .filter(|target| {
            !has_scheme(target) && !target.starts_with('#') && !target.starts_with("//")
        })
        .map(|target| target.split(['#', '?']).next().unwrap_or_default().to_owned())
        .collect()
}

fn has_scheme(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    })
}

/// The library path that a link of `page` means; `None` when it leads out of the library.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut segments: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => page.split('/').collect(),
    };
    segments.pop();
    for segment in target.trim_start_matches('/').split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}
