//! `BudgetService`: how the money stands, its limits, what it went to and who holds it.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal};
use vivarium_ledger::{Request as RequestKey, Submission};
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::budget_service_server::BudgetService;

use super::convert::spend as shown;
use super::{Floor, convert, position, reached, refusal};
use crate::domain::budget::{Limits, Scope};
use crate::domain::{Command, State};
use crate::views::spend;

/// The service over the ledger.
#[derive(Debug, Clone)]
pub struct Budgets {
    floor: Floor,
    defaults: Limits,
}

impl Budgets {
    /// The service with the limits that hold where the log sets none.
    pub const fn new(floor: Floor, defaults: Limits) -> Self {
        Self { floor, defaults }
    }
}

#[tonic::async_trait]
impl BudgetService for Budgets {
    async fn get_budgets(
        &self,
        request: Request<pb::GetBudgetsRequest>,
    ) -> Result<Response<pb::GetBudgetsResponse>, Status> {
        let wire = request.into_inner();
        let (task, resident) = convert::subjects(&wire)?;
        reached(&self.floor.ledger, wire.min_position).await?;
        let (day, defaults) = (self.floor.clock.now().utc_day(), self.defaults);
        let standings = self.floor.ledger.ask(move |state| {
            let budget = state.budget();
            let residents = resident.map_or_else(|| budget.residents(day), |one| vec![one]);
            let common = [Scope::Call, Scope::ReviewDay, Scope::WorldDay, Scope::WorldTotal];
            let scopes = common
                .into_iter()
                .chain(residents.into_iter().map(Scope::ResidentDay))
                .chain(task.map(Scope::Task));
            scopes.map(|scope| budget.standing(scope, day, &defaults)).collect::<Vec<_>>()
        });
        let standings = standings.await.map_err(refusal)?;
        let budgets = standings.iter().map(|standing| convert::budget(standing, day)).collect();
        Ok(Response::new(pb::GetBudgetsResponse { budgets }))
    }

    async fn set_budget_limit(
        &self,
        request: Request<pb::SetBudgetLimitRequest>,
    ) -> Result<Response<pb::SetBudgetLimitResponse>, Status> {
        const METHOD: &str = "/vivarium.executor.v1.BudgetService/SetBudgetLimit";
        let caller = Caller::of(&request).clone();
        caller.operator()?;
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let wanted = convert::limit(&wire)?;
        let (limited, amount) = (wanted.limited, wanted.amount);
        let mut texts = self.floor.ledger.texts();
        let reason = texts.plain(&wanted.reason);
        let (day, defaults) = (self.floor.clock.now().utc_day(), self.defaults);
        let command = Command::SetLimit { limited, amount, reason, defaults };
        let submission = Submission::new(caller.actor, command)
            .texts(texts.into_rows())
            .request(key)
            .answering(move |state: &State, decided| {
                let budget = match wanted.scope {
                    Some(scope) => {
                        let standing = state.budget().standing(scope, day, &defaults);
                        convert::budget(&standing, day)
                    }
                    None => convert::limit_alone(limited, amount, day),
                };
                pb::SetBudgetLimitResponse {
                    position: Some(position(decided.sequence)),
                    budget: Some(budget),
                }
            });
        let answer = self.floor.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }

    async fn list_spend(
        &self,
        request: Request<pb::ListSpendRequest>,
    ) -> Result<Response<pb::ListSpendResponse>, Status> {
        let wire = request.into_inner();
        let wanted = shown::wanted(&wire)?;
        reached(&self.floor.ledger, wire.min_position).await?;
        let (group, limit) = (wanted.group, wanted.limit as usize);
        let found = self.floor.ledger.view(move |db| {
            Ok((spend::page(db, &wanted)?, spend::total(db, wanted.from, wanted.to)?))
        });
        let (rows, total) = found.await.map_err(Refusal::fault)?;
        let last = rows.last().filter(|_| rows.len() == limit);
        Ok(Response::new(pb::ListSpendResponse {
            next_page_token: last.map(|row| shown::token(group, row)).unwrap_or_default(),
            rows: rows.into_iter().map(|row| shown::row(group, row)).collect(),
            total: Some(shown::sum(&total)),
        }))
    }

    async fn list_reservations(
        &self,
        request: Request<pb::ListReservationsRequest>,
    ) -> Result<Response<pb::ListReservationsResponse>, Status> {
        let wire = request.into_inner();
        let (before, limit) = shown::reservations_wanted(&wire)?;
        reached(&self.floor.ledger, wire.min_position).await?;
        let rows = self.floor.ledger.view(move |db| spend::reservations(db, before, limit));
        let rows = rows.await.map_err(Refusal::fault)?;
        let last = rows.last().filter(|_| rows.len() == limit as usize);
        Ok(Response::new(pb::ListReservationsResponse {
            next_page_token: last.map(|(row, _)| row.to_string()).unwrap_or_default(),
            reservations: rows.iter().map(|(_, held)| shown::reservation(held)).collect(),
        }))
    }
}
