//! History that imports brought, for people.

use tonic::{Request, Response, Status};
use vivarium_chassis::Violations;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::history_service_server::HistoryService;
use vivarium_types::Timestamp;

use super::{Door, convert, show};
use crate::domain::event::read;
use crate::domain::history::{Kind, Outcome};
use crate::views::history::{self, Entry, Place, Wanted};

#[tonic::async_trait]
impl HistoryService for Door {
    async fn list_history(
        &self,
        request: Request<pb::ListHistoryRequest>,
    ) -> Result<Response<pb::ListHistoryResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let words = match wire.text.as_str() {
            "" => Some(Vec::new()),
            text => Some(convert::query(&mut wrong, "text", text, (2, 200))),
        };
        let kinds = kinds(&mut wrong, &wire.kinds);
        let outcome = outcome(&mut wrong, wire.outcome);
        convert::name(&mut wrong, "resident", &wire.resident, false);
        let limit = convert::slice(&mut wrong, wire.page_size, "").limit;
        let behind = behind(&mut wrong, &wire.page_token);
        let words = wrong.done(words)?;
        self.reached(wire.min_position).await?;
        let resident = self.resident_if(&wire.resident).await?;
        let wanted = Wanted { words, kinds, outcome, resident, behind, limit };
        let found = self.view(move |db| history::page(db, &wanted)).await?;
        let full = found.len() == limit as usize;
        let next = found.last().map(Entry::place).filter(|_| full).map(token);
        Ok(Response::new(pb::ListHistoryResponse {
            entries: found.into_iter().map(show::history).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }
}

fn kinds(wrong: &mut Violations, wire: &[i32]) -> Vec<Kind> {
    convert::each(wrong, "kinds", wire, |value| {
        pb::HistoryKind::try_from(value).ok().and_then(read::history_kind)
    })
}

fn outcome(wrong: &mut Violations, wire: i32) -> Option<Outcome> {
    let Ok(outcome) = pb::HistoryOutcome::try_from(wire) else {
        wrong.add("outcome", "is no value of this field");
        return None;
    };
    read::history_outcome(outcome)
}

fn token(Place { time, sequence }: Place) -> String {
    format!("{}.{sequence}", time.as_micros())
}

fn behind(wrong: &mut Violations, token: &str) -> Option<Place> {
    if token.is_empty() {
        return None;
    }
    let place = token.split_once('.').and_then(|(time, sequence)| {
        let time = time.parse().ok().map(Timestamp::from_micros)?;
        let sequence = sequence.parse().ok().filter(|it| *it <= i64::MAX.unsigned_abs())?;
        Some(Place { time, sequence })
    });
    if place.is_none() {
        wrong.add("page_token", "is no token of an earlier page");
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_others_are_refused() {
        let place = Place { time: Timestamp::from_micros(17), sequence: 4 };
        let mut wrong = Violations::new();
        assert_eq!(behind(&mut wrong, &token(place)), Some(place));
        assert_eq!(behind(&mut wrong, ""), None);
        assert!(wrong.is_empty());
        for token in ["17", "a.4", "17.-4", "17.99999999999999999999"] {
            assert_eq!(behind(&mut wrong, token), None, "{token}");
        }
        assert_eq!(wrong.found().len(), 4);
    }
}
