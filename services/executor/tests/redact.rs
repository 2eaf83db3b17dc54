//! S12: secrets in every simple disguise are taken out, and clean text stays as it is.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use vivarium_executor::redact::{Known, redact};

/// Made-up keys in the forms that providers use.
fn secrets() -> Vec<String> {
    let mut next = 0x9e37_79b9_7f4a_7c15_u64;
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let mut text = |length: usize| -> String {
        (0..length)
            .map(|_| {
                next ^= next << 13;
                next ^= next >> 7;
                next ^= next << 17;
                letters[usize::try_from(next % 62).expect("it is small")]
            })
            .collect()
    };
    let mut all: Vec<String> = (0..10).map(|_| format!("gsk_{}", text(48))).collect();
    all.extend((0..5).map(|_| format!("sk-proj-{}", text(40))));
    all.extend((0..5).map(|_| text(16)));
    all.extend((0..5).map(|_| format!("{}-{}_{}", text(8), text(8), text(8))));
    all
}

type Form = (&'static str, fn(&str) -> String);

/// Disguises, each of the whole secret.
const FORMS: [Form; 24] = [
    ("plain", str::to_owned),
    ("turned", |s| s.chars().rev().collect()),
    ("hex", |s| hex::encode(s)),
    ("HEX", |s| hex::encode_upper(s)),
    ("hex with colons", |s| each(s, |b| format!("{b:02x}:"))),
    ("hex with blanks", |s| each(s, |b| format!("{b:02X} "))),
    ("hex bytes of C", |s| each(s, |b| format!("0x{b:02x}, "))),
    ("escaped hex", |s| each(s, |b| format!("\\x{b:02x}"))),
    ("base64", |s| STANDARD.encode(s)),
    ("base64 unpadded", |s| STANDARD_NO_PAD.encode(s)),
    ("base64 of addresses", |s| URL_SAFE.encode(s)),
    ("base64 behind one", |s| STANDARD.encode(format!("x{s}"))),
    ("base64 behind two", |s| URL_SAFE_NO_PAD.encode(format!("xy{s}"))),
    ("base64 within", |s| STANDARD.encode(format!("the key is {s}, keep it"))),
    ("base64 in lines", |s| lines(&STANDARD.encode(s), 20)),
    ("percent", |s| each(s, |b| format!("%{b:02X}"))),
    ("percent lower", |s| each(s, |b| format!("%{b:02x}"))),
    ("percent of some", |s| s.replace('_', "%5F").replace('-', "%2D")),
    ("json", |s| each(s, |b| format!("\\u{b:04x}"))),
    ("html", |s| each(s, |b| format!("&#{b};"))),
    ("html hex", |s| each(s, |b| format!("&#x{b:x};"))),
    ("in lines", |s| lines(s, 7)),
    ("spread", |s| s.chars().flat_map(|c| [c, ' ']).collect()),
    ("pasted together", |s| lines(s, 5).replace('\n', "\" + \"")),
];

/// What stands around it.
const AROUND: [(&str, &str); 3] =
    [("", ""), ("the key: ", " (do not tell)"), ("{\"k\": \"", "\"}")];

fn each(text: &str, form: fn(u8) -> String) -> String {
    text.bytes().map(form).collect()
}

fn lines(text: &str, length: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(length).map(String::from_iter).collect::<Vec<_>>().join("\n")
}

/// Whether a form of the secret is still in a text.
fn leaks(text: &str, form: &str) -> bool {
    let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    let (text, form) = (letters(text), letters(form));
    // A third of it in one piece is a leak; less could be the letters that base64 shares.
    let piece = (form.len() / 3).max(6);
    let within = |part: &[u8]| text.as_bytes().windows(piece).any(|window| window == part);
    form.as_bytes().windows(piece).any(within)
}

#[test]
fn s12_secrets_in_every_disguise_are_taken_out() {
    let secrets = secrets();
    let known = Known::of(secrets.iter().map(String::as_str));
    let (mut tried, mut leaked) = (0, Vec::new());
    for secret in &secrets {
        for (name, form) in FORMS {
            let disguised = form(secret);
            for (before, behind) in AROUND {
                tried += 1;
                let clean = redact(&format!("{before}{disguised}{behind}"), &known);
                if leaks(&clean.text, &disguised) || clean.redactions == 0 {
                    leaked.push(format!("{name}: {} -> {}", disguised, clean.text));
                }
            }
        }
    }
    println!("{tried} disguises of {} secrets, {} leaked", secrets.len(), leaked.len());
    assert!(tried >= 1_000);
    assert_eq!(leaked, [""; 0]);
}

#[test]
fn s12_without_the_secrets_the_same_disguises_leak() {
    let nothing = Known::default();
    let found = FORMS.iter().filter(|(_, form)| {
        let disguised = form(&secrets()[15]);
        redact(&disguised, &nothing).redactions > 0
    });
    assert!(found.count() < FORMS.len() / 2, "the list of secrets is what finds them");
}

#[test]
fn s12_unknown_keys_are_known_by_their_shape() {
    let nothing = Known::default();
    let shaped = [
        "gsk_abcdEFGH0123456789abcdEFGH0123456789",
        "sk-proj-abcdEFGH0123456789abcd",
        "AKIAABCDEFGH12345678",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "glpat-abcdefghij0123456789",
        "hf_abcdefghijklmnopqrstuv0123",
        "xoxb-1234567890-abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----",
        "postgres://vivarium:hunter22@127.0.0.1/world",
        "api_key = \"0123456789abcdef0123456789abcdef\"",
        "Authorization: Bearer 0123456789abcdef01234567",
        "c2VjcmV0OiBhIHZlcnkgbG9uZyBvbmUgMTIzNDU2Nzg5MA4Kq9Zx",
    ];
    for text in shaped {
        let clean = redact(text, &nothing);
        assert!(clean.redactions > 0, "{text}");
        assert!(clean.text.contains("[redacted:"), "{text}");
    }
    let url = redact("postgres://vivarium:hunter22@127.0.0.1/world", &nothing).text;
    assert_eq!(url, "postgres://vivarium:[redacted:password]@127.0.0.1/world");
}

/// Every line of our own papers and programs.
fn clean_corpus() -> Vec<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut folders, mut all) = (vec![top], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it lists").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let skipped = ["target", "node_modules", "mutable", "tests"].contains(&&*name);
            if path.is_dir() && !skipped && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md" || end == "rs") {
                let text = std::fs::read_to_string(&path).expect("it reads");
                all.extend(text.lines().map(str::to_owned));
            }
        }
    }
    all
}

#[test]
fn s12_clean_text_stays_as_it_is() {
    let secrets = secrets();
    let known = Known::of(secrets.iter().map(String::as_str));
    let corpus = clean_corpus();
    let redacted = corpus.iter().filter(|line| redact(line, &known).redactions > 0);
    let wrong: Vec<&String> = redacted.collect();
    println!("{} clean lines, {} redacted: {wrong:#?}", corpus.len(), wrong.len());
    assert!(corpus.len() > 10_000);
    assert!(wrong.len() * 1_000 <= corpus.len(), "{wrong:#?}");
}
