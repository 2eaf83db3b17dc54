//! Where snapshots are kept: the two newest, whatever their size.

use super::desk::Desk;
use crate::world::World;

crate::world::on_every_store!(
    there_is_no_snapshot_at_first,
    a_snapshot_comes_back_as_it_was,
    the_newest_snapshot_is_the_latest,
    the_latest_is_at_or_before_the_limit,
    only_the_two_newest_are_kept,
    an_old_snapshot_that_comes_late_is_dropped,
    a_second_snapshot_of_one_row_replaces_the_first,
    an_empty_snapshot_comes_back,
    a_large_snapshot_comes_back,
    a_shorter_snapshot_leaves_nothing_of_a_longer,
    snapshots_survive_a_restart,
);

fn kept(desk: &Desk, limit: u64) -> Option<(u64, Vec<u8>)> {
    desk.snapshots().latest(limit).expect("readable")
}

/// A desk with these snapshots, each of its own number's bytes.
fn with(world: World, sequences: &[u64]) -> Desk {
    let desk = Desk::open(world);
    for sequence in sequences {
        desk.snapshots().put(*sequence, &sequence.to_be_bytes()).expect("it is kept");
    }
    desk
}

fn own(sequence: u64) -> (u64, Vec<u8>) {
    (sequence, sequence.to_be_bytes().to_vec())
}

async fn there_is_no_snapshot_at_first(world: World) {
    assert_eq!(kept(&Desk::open(world), u64::MAX), None);
}

async fn a_snapshot_comes_back_as_it_was(world: World) {
    let desk = Desk::open(world);
    let every: Vec<u8> = (0..=255).collect();
    desk.snapshots().put(9, &every).expect("it is kept");
    assert_eq!(kept(&desk, 9), Some((9, every)));
}

async fn the_newest_snapshot_is_the_latest(world: World) {
    let desk = with(world, &[9, 100]);
    assert_eq!(kept(&desk, u64::MAX), Some(own(100)));
}

async fn the_latest_is_at_or_before_the_limit(world: World) {
    let desk = with(world, &[10, 20]);
    for (limit, wanted) in
        [(9, None), (10, Some(own(10))), (19, Some(own(10))), (20, Some(own(20)))]
    {
        assert_eq!(kept(&desk, limit), wanted, "{limit}");
    }
}

async fn only_the_two_newest_are_kept(world: World) {
    let desk = with(world, &[1, 2, 3, 4]);
    assert_eq!(kept(&desk, 2), None);
    assert_eq!((kept(&desk, 3), kept(&desk, 4)), (Some(own(3)), Some(own(4))));
}

async fn an_old_snapshot_that_comes_late_is_dropped(world: World) {
    let desk = with(world, &[10, 20, 5]);
    assert_eq!(
        (kept(&desk, 9), kept(&desk, 10), kept(&desk, 20)),
        (None, Some(own(10)), Some(own(20)))
    );
}

async fn a_second_snapshot_of_one_row_replaces_the_first(world: World) {
    let desk = with(world, &[1, 2]);
    desk.snapshots().put(2, b"again").expect("it is kept");
    assert_eq!(kept(&desk, 2), Some((2, b"again".to_vec())));
    assert_eq!(kept(&desk, 1), Some(own(1)));
}

async fn an_empty_snapshot_comes_back(world: World) {
    let desk = Desk::open(world);
    desk.snapshots().put(3, b"").expect("it is kept");
    assert_eq!(kept(&desk, 3), Some((3, Vec::new())));
}

async fn a_large_snapshot_comes_back(world: World) {
    let desk = Desk::open(world);
    let large: Vec<u8> = (0..=9 << 20).map(|at: u32| at.to_le_bytes()[2]).collect();
    desk.snapshots().put(3, &large).expect("it is kept");
    assert!(kept(&desk, 3) == Some((3, large)), "it is another");
}

async fn a_shorter_snapshot_leaves_nothing_of_a_longer(world: World) {
    let desk = Desk::open(world);
    desk.snapshots().put(3, &vec![1; 9 << 20]).expect("it is kept");
    desk.snapshots().put(3, b"short").expect("it is kept");
    assert_eq!(kept(&desk, 3), Some((3, b"short".to_vec())));
}

async fn snapshots_survive_a_restart(world: World) {
    let desk = with(world, &[1, 2]).reopened();
    assert_eq!((kept(&desk, 1), kept(&desk, 2)), (Some(own(1)), Some(own(2))));
}
