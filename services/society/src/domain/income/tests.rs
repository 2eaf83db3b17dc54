//! What approved work is worth.

use vivarium_types::ids::Id as _;

use super::*;

/// An approved task of this cost, with these tags, that may cost 1,000 micro-dollars.
fn approved(cost: i64, tags: &[&str]) -> Approved {
    Approved {
        task: TaskId::from_number(1),
        resident: ResidentId::from_number(2),
        submission: SubmissionId::from_number(3),
        confidence: Permille(950),
        cost: MicroUsd::new(cost),
        budget_max: MicroUsd::new(1_000),
        bonus: 0,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        role: Role::Whole,
    }
}

/// Measured against tasks of these costs and rubrics.
fn measure(samples: &[(i64, u32)]) -> Measure {
    let mut measure = Measure::default();
    for (cost, rubric) in samples {
        let valued = measure.value(approved(*cost, &["known"]), Permille(*rubric));
        measure.apply_valued(&valued);
    }
    measure
}

#[test]
fn before_there_are_means_work_is_measured_against_what_it_may_cost() {
    let first = |cost, rubric| measure(&[]).value(approved(cost, &[]), Permille(rubric)).class;
    assert_eq!(first(699, 0), Class::Frugal);
    assert_eq!(first(700, 800), Class::WellReviewed);
    assert_eq!(first(700, 799), Class::Standard);
}

#[test]
fn work_is_measured_against_the_mean_of_what_was_approved_before() {
    let measure = measure(&[(500, 500); SAMPLES_MIN]);
    let class =
        |cost, rubric, tags: &[&str]| measure.value(approved(cost, tags), Permille(rubric)).class;
    assert_eq!(class(249, 751, &["new"]), Class::Exceptional);
    assert_eq!(class(249, 750, &["new"]), Class::Novel);
    assert_eq!(class(399, 500, &["known"]), Class::Efficient);
    assert_eq!(class(400, 601, &["known"]), Class::Quality);
    assert_eq!(class(400, 600, &["known", "new"]), Class::Standard);
}

#[test]
fn work_that_no_critic_has_read_makes_nobody_elses_work_look_good() {
    let mixed: Vec<_> = std::iter::repeat_n((500, 800), 3).chain([(500, 0); 9]).collect();
    let read = measure(&mixed).value(approved(500, &["known"]), Permille(900));
    assert_eq!(read.class, Class::Standard, "900 is no more than 120 % of 800");
    let unread =
        measure(&[(500, 0); SAMPLES_MIN]).value(approved(500, &["known"]), Permille(1_000));
    assert_eq!(unread.class, Class::Standard, "there is nothing to measure it by");
}

#[test]
fn what_stays_under_budget_earns_by_what_was_saved_and_by_how_sure_review_was() {
    let saving = |cost| measure(&[]).value(approved(cost, &[]), Permille(0)).saving;
    assert_eq!(saving(0), Some(10), "all of it, and review was sure");
    assert_eq!(saving(500), Some(6));
    assert_eq!(saving(999), Some(2));
    assert_eq!(saving(1_000), None);
}
