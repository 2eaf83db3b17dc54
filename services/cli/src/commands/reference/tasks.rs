//! Proposes the reference's tasks to the queue, each once: a key says which, and the origin in its
//! metadata whether it is the same. A person admits them.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use vivarium_proto::executor::v1::ListProvidersRequest;
use vivarium_proto::executor::v1::provider_service_client::ProviderServiceClient;
use vivarium_proto::queue::v1 as pb;
use vivarium_types::Reason;

use super::{BATCH, Kind, Place, Service, Taking, batches, work};
use crate::failure::Failure;

/// Questions to the queue that are under way at once.
const ASKED_AT_ONCE: usize = 16;

/// What the world knows of a task of the reference.
enum Found {
    /// It was proposed before.
    Known,
    /// It is to be proposed under this key.
    Free(String),
}

impl Taking<'_> {
    /// Tasks come last, so that whoever is named is here and a full queue keeps out nothing else;
    /// dependencies come first.
    pub(super) async fn tasks(&mut self, tasks: Vec<work::Task>) -> Result<(), Failure> {
        let models = self.models().await?;
        let found = self.look_up(&tasks).await?;
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        let mut fresh = Vec::new();
        let mut taken = BTreeSet::new();
        for (task, (key, found)) in tasks.into_iter().zip(found) {
            match found {
                Found::Known => {
                    self.report.known(Kind::Tasks);
                    keys.insert(task.id, key);
                }
                Found::Free(key) => {
                    let key = unlike(&key, &mut taken);
                    keys.insert(task.id.clone(), key.clone());
                    fresh.push((key, task));
                }
            }
        }
        let bar = super::bar(Kind::Tasks, fresh.len());
        let mut lost = BTreeSet::new();
        for batch in batches(fresh) {
            let batch: Vec<_> = batch
                .into_iter()
                .map(|(key, task)| {
                    let place = task.place.clone();
                    (place, self.proposed(key, task, &keys, &models))
                })
                .collect();
            bar.inc(batch.len() as u64);
            self.add(batch, &mut lost).await?;
        }
        Ok(())
    }

    /// What a task asks for, with what is called otherwise here.
    fn proposed(
        &mut self,
        key: String,
        task: work::Task,
        keys: &BTreeMap<String, String>,
        models: &BTreeSet<String>,
    ) -> pb::ProposedTask {
        let mut spec = task.spec;
        spec.key = key;
        spec.depends_on = task.depends_on.iter().filter_map(|id| keys.get(id)).cloned().collect();
        if !spec.model.is_empty() && !models.contains(&spec.model) {
            let told = format!("the model {} is not here: the executor chooses", spec.model);
            self.report.changed(&task.place, told);
            spec.model.clear();
        }
        if let Some(id) = task.resident {
            match self.residents.get(&id) {
                Some(_) if !spec.command.is_empty() => {}
                Some(resident) => spec.resident_id.clone_from(resident),
                None => {
                    let told = format!("its resident {id} is not taken: anybody may do it");
                    self.report.changed(&task.place, told);
                }
            }
        }
        pb::ProposedTask { spec: Some(spec), why: self.reason.clone(), feedback: task.feedback }
    }

    /// Proposes a batch whole; where one of it is refused, each by itself, so that the others come in.
    async fn add(
        &mut self,
        batch: Vec<(Place, pb::ProposedTask)>,
        lost: &mut BTreeSet<String>,
    ) -> Result<(), Failure> {
        if self.dry_run {
            for _ in &batch {
                self.report.taken(Kind::Tasks);
            }
            return Ok(());
        }
        let tasks: Vec<_> = batch.iter().map(|(_, task)| task.clone()).collect();
        if lost.is_empty() && self.add_whole(&tasks).await?.is_none() {
            for _ in &batch {
                self.report.taken(Kind::Tasks);
            }
            return Ok(());
        }
        for (place, task) in batch {
            let spec = task.spec.clone().unwrap_or_default();
            let missing = spec.depends_on.iter().find(|key| lost.contains(*key));
            let why = match missing {
                Some(missing) => Some(format!("it depends on {missing}, which was refused")),
                None => self.add_whole(std::slice::from_ref(&task)).await?,
            };
            match why {
                None => self.report.taken(Kind::Tasks),
                Some(why) => {
                    lost.insert(spec.key);
                    self.report.left(&place, why);
                }
            }
        }
        Ok(())
    }

    /// Proposes tasks, or says why the queue refuses them as they are. The request's id is made from its
    /// content: after a lost answer the same tasks are not proposed again.
    async fn add_whole(&self, tasks: &[pb::ProposedTask]) -> Result<Option<String>, Failure> {
        let mut digest = Sha256::new();
        for task in tasks {
            // As a value its fields and its metadata have one order.
            digest.update(serde_json::to_value(task)?.to_string());
        }
        let request_id = format!("reference.{}", hex::encode(&digest.finalize()[..16]));
        let request = pb::ProposeTasksRequest { request_id, tasks: tasks.to_vec() };
        let Err(status) = self.console.tasks()?.propose_tasks(request).await else {
            return Ok(None);
        };
        let problem = vivarium_chassis::Problem::from(&status);
        let of_content = matches!(
            problem.reason,
            Some(
                Reason::RequestInvalid
                    | Reason::QueueTaskKeyTaken
                    | Reason::QueueDependencyUnknown
                    | Reason::QueueDependencySelf
                    | Reason::QueueDependencyCycle
                    | Reason::QueueTaskTooDeep
            )
        );
        if !of_content {
            return Err(Failure::from(status)
                .beside("again", "what was taken stays; the same command takes the rest".into()));
        }
        let fields = problem.fields.iter().map(|v| format!("{} {}", v.field, v.description));
        let told: Vec<String> = fields.collect();
        let told = if told.is_empty() { problem.sentence.clone() } else { told.join("; ") };
        Ok(Some(format!("the queue refuses it: {told}")))
    }

    /// For each task the key it has or may have here. Asked many at once, told in order.
    async fn look_up(&self, tasks: &[work::Task]) -> Result<Vec<(String, Found)>, Failure> {
        let client = self.console.tasks()?;
        let asked = tasks.iter().map(|task| {
            let mut client = client.clone();
            async move {
                let wanted = task.key();
                let origin = task.spec.metadata.get(work::ORIGIN);
                for number in 1..=BATCH {
                    let key =
                        if number == 1 { wanted.clone() } else { format!("{wanted}-{number}") };
                    let request = pb::GetTaskRequest { task: key.clone(), ..Default::default() };
                    match client.get_task(request).await {
                        Ok(answer) => {
                            let task = answer.into_inner().task.and_then(|task| task.spec);
                            let theirs =
                                task.and_then(|spec| spec.metadata.get(work::ORIGIN).cloned());
                            if theirs.as_ref() == origin {
                                return Ok((key, Found::Known));
                            }
                        }
                        Err(status) => {
                            let problem = vivarium_chassis::Problem::from(&status);
                            if problem.reason == Some(Reason::QueueTaskNotFound) {
                                return Ok((key.clone(), Found::Free(key)));
                            }
                            return Err(Failure::from(status));
                        }
                    }
                }
                Err(Failure::refused(format!("no key like {wanted} is free"), ""))
            }
        });
        let found: Vec<_> = futures::stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
        found.into_iter().collect()
    }

    /// The models that this world's providers have.
    async fn models(&self) -> Result<BTreeSet<String>, Failure> {
        let mut client = ProviderServiceClient::new(self.console.calls(Service::Executor)?);
        let listed = client.list_providers(ListProvidersRequest::default()).await?.into_inner();
        Ok(listed.providers.into_iter().map(|provider| provider.model).collect())
    }
}

/// A key that no other task of this import has.
fn unlike(key: &str, taken: &mut BTreeSet<String>) -> String {
    let mut unlike = key.to_owned();
    let mut number = 1_u32;
    while !taken.insert(unlike.clone()) {
        number += 1;
        unlike = format!("{key}-{number}");
    }
    unlike
}
