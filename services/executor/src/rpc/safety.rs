//! `SafetyService`: the rules in force, and what was stopped under them.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use vivarium_chassis::Refusal;
use vivarium_proto::executor::v1 as pb;
use vivarium_proto::executor::v1::safety_service_server::SafetyService;

use super::convert::safety as shown;
use super::{Floor, reached};
use crate::policy::Policy;
use crate::views::refusals;

/// The service over the rules and the record of what was stopped.
#[derive(Debug, Clone)]
pub struct Safety {
    floor: Floor,
    policy: Arc<Policy>,
}

impl Safety {
    /// The service.
    pub const fn new(floor: Floor, policy: Arc<Policy>) -> Self {
        Self { floor, policy }
    }
}

#[tonic::async_trait]
impl SafetyService for Safety {
    async fn list_rules(
        &self,
        request: Request<pb::ListRulesRequest>,
    ) -> Result<Response<pb::ListRulesResponse>, Status> {
        reached(&self.floor.ledger, request.into_inner().min_position).await?;
        let counts = self.floor.ledger.view(refusals::counts).await.map_err(Refusal::fault)?;
        let rules = self.policy.told().into_iter().map(|rule| shown::rule(rule, &counts));
        Ok(Response::new(pb::ListRulesResponse {
            rules: rules.collect(),
            negations: self.policy.negations().to_vec(),
            rules_hash: self.policy.hash().to_owned(),
            missing: self.policy.hash().is_empty(),
        }))
    }

    async fn list_refusals(
        &self,
        request: Request<pb::ListRefusalsRequest>,
    ) -> Result<Response<pb::ListRefusalsResponse>, Status> {
        let wire = request.into_inner();
        let wanted = shown::wanted(&wire)?;
        reached(&self.floor.ledger, wire.min_position).await?;
        let limit = wanted.limit as usize;
        let found = self
            .floor
            .ledger
            .view(move |db| Ok((refusals::page(db, &wanted)?, refusals::counts(db)?)));
        let (page, counts) = found.await.map_err(Refusal::fault)?;
        let last = page.last().filter(|_| page.len() == limit);
        let next_page_token = last.map(shown::token).unwrap_or_default();
        let mut rows = Vec::new();
        for stopped in page {
            let told = match stopped.text.as_str() {
                "" => None,
                id => self.floor.ledger.text(id).await.map_err(Refusal::fault)?,
            };
            rows.push(shown::refusal(stopped, told.unwrap_or_default()));
        }
        Ok(Response::new(pb::ListRefusalsResponse {
            next_page_token,
            refusals: rows,
            counts: counts.into_iter().map(shown::count).collect(),
        }))
    }
}
