//! Texts beside the log.

use super::desk::{Desk, ODD_WORDS, text};
use crate::world::World;
use vivarium_ledger::TextRow;

crate::world::on_every_store!(
    a_text_comes_back_as_it_was,
    a_sealed_text_is_said_to_be_sealed,
    a_text_never_written_is_none,
    an_empty_text_comes_back,
    a_large_text_comes_back,
    texts_beyond_one_statement_come_back,
    bytes_that_are_no_text_come_back,
    odd_ids_are_different_texts,
    texts_survive_a_restart,
);

fn back(desk: &Desk, id: &str) -> Option<TextRow> {
    desk.reader().text(id).expect("readable")
}

/// Writes texts and reads them back.
fn come_back(world: World, texts: &[TextRow]) {
    let mut desk = Desk::open(world);
    desk.append_texts(texts);
    for text in texts {
        assert!(back(&desk, &text.id).as_ref() == Some(text), "{} is another", text.id);
    }
}

async fn a_text_comes_back_as_it_was(world: World) {
    come_back(world, &[text("txt_1", "Grüß Gott 🦀\0\u{301}".as_bytes())]);
}

async fn a_sealed_text_is_said_to_be_sealed(world: World) {
    let sealed = TextRow { sealed: true, ..text("txt_2", b"two") };
    come_back(world, &[text("txt_1", b"one"), sealed]);
}

async fn a_text_never_written_is_none(world: World) {
    let mut desk = Desk::open(world);
    desk.append_texts(&[text("txt_1", b"one")]);
    for id in ["txt_2", "TXT_1", "", "txt_1 ", "txt_1\0"] {
        assert_eq!(back(&desk, id), None, "{id:?}");
    }
}

async fn an_empty_text_comes_back(world: World) {
    come_back(world, &[text("txt_1", b"")]);
}

async fn a_large_text_comes_back(world: World) {
    let large: Vec<u8> = (0..8 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    come_back(world, &[text("txt_1", &large)]);
}

async fn texts_beyond_one_statement_come_back(world: World) {
    let texts: Vec<_> =
        (0..5).map(|fill| text(&format!("txt_{fill}"), &vec![fill; 9 << 20])).collect();
    come_back(world, &texts);
}

async fn bytes_that_are_no_text_come_back(world: World) {
    come_back(world, &[text("txt_1", &[0xff, 0xfe, 0, 0xc0, 0x80])]);
}

async fn odd_ids_are_different_texts(world: World) {
    come_back(world, &ODD_WORDS.map(|word| text(word, word.as_bytes())));
}

async fn texts_survive_a_restart(world: World) {
    let mut desk = Desk::open(world);
    desk.append_texts(&[text("txt_1", b"one")]);
    assert_eq!(back(&desk.reopened(), "txt_1"), Some(text("txt_1", b"one")));
}
