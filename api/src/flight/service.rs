//! What Flight SQL asks and how it is answered.
//!
//! A statement's ticket is the statement: whoever brings it runs it with their own rights, and the
//! server remembers nothing for it. Batches flow as fast as the client takes them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandPreparedStatementQuery,
    CommandStatementQuery, DoPutPreparedStatementResult, ProstMessageExt, SqlInfo,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, IpcMessage, SchemaAsIpc,
    Ticket,
};
use futures::{Stream, TryStreamExt};
use parx_ingest::Intake;
use parx_query::arrow::array::{RecordBatch, RecordBatchOptions};
use parx_query::arrow::datatypes::{Field, Schema, SchemaRef};
use parx_query::{DATABASE, Engine, ErrorKind, QueryError, SCHEMA, ScalarValue, Statement};
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::prepared::Kepts;
use super::{BATCH_BYTES_MAX, STATEMENT_TIMEOUT, STATEMENTS_AT_ONCE_MAX, metadata, put, status};
use crate::auth::Identity;
use crate::postgres::columns;
use crate::workers::{Batches, Workers};

type Rows = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send + 'static>>;

/// A planned statement with the names that its columns have at every door.
#[derive(Clone)]
pub(super) struct Planned {
    statement: Statement,
    schema: SchemaRef,
}

/// Answers what has been let in.
pub(super) struct Service {
    engine: Engine,
    intake: Intake,
    workers: Workers,
    kepts: Kepts,
    running: Arc<Semaphore>,
    /// The server stops.
    kill: CancellationToken,
}

/// Who sent a request. The guard has put it there; without it nothing is answered.
fn identity<T>(request: &Request<T>) -> Result<Identity, Status> {
    let identity = request.extensions().get::<Identity>().cloned();
    identity.ok_or_else(|| Status::unauthenticated("log in first"))
}

/// How to get what a command describes: by bringing the command back.
fn info(
    descriptor: FlightDescriptor,
    ticket: &impl ProstMessageExt,
    schema: &Schema,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(status::internal)?
        .with_descriptor(descriptor)
        .with_endpoint(FlightEndpoint::new().with_ticket(ticket));
    Ok(Response::new(info))
}

/// A schema as it stands in the answer to a preparation.
fn ipc(schema: &Schema) -> Result<bytes::Bytes, Status> {
    let options = Default::default();
    let message: IpcMessage =
        SchemaAsIpc::new(schema, &options).try_into().map_err(status::internal)?;
    Ok(message.0)
}

/// One batch as an answer.
fn table(batch: RecordBatch) -> Response<Rows> {
    let batches = futures::stream::iter([Ok(batch)]);
    Response::new(encoded(None, batches))
}

fn encoded(
    schema: Option<SchemaRef>,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Rows {
    let mut encoder = FlightDataEncoderBuilder::new().with_max_flight_data_size(BATCH_BYTES_MAX);
    if let Some(schema) = schema {
        encoder = encoder.with_schema(schema);
    }
    let data = encoder.build(batches);
    Box::pin(data.map_err(|error| match error {
        FlightError::Tonic(status) => *status,
        other => status::internal(other),
    }))
}

impl Service {
    pub(super) fn new(
        engine: Engine,
        intake: Intake,
        workers: Workers,
        kill: CancellationToken,
    ) -> Service {
        let running = Arc::new(Semaphore::new(STATEMENTS_AT_ONCE_MAX));
        Service { engine, intake, workers, kepts: Kepts::default(), running, kill }
    }

    async fn plan(&self, identity: &Identity, sql: String) -> Result<Planned, Status> {
        let session = self.engine.session(&identity.name);
        let work = async move {
            let parsed = parx_query::parse(&sql)?;
            let [parsed] = parsed.as_slice() else {
                let message = format!("{} statements where one is expected", parsed.len());
                return Err(QueryError::new(ErrorKind::Syntax, message));
            };
            let statement = session.prepare(parsed, &[]).await?;
            let schema = columns::named(statement.schema(), &parsed.ast);
            Ok(Planned { statement, schema })
        };
        let planned = self.workers.run(Box::pin(work)).await;
        planned.ok_or_else(|| status::internal("the planner failed"))?.map_err(|e| status::of(&e))
    }

    async fn rows(
        &self,
        planned: Planned,
        parameters: Vec<ScalarValue>,
    ) -> Result<Response<Rows>, Status> {
        let place = self.running.clone().try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{STATEMENTS_AT_ONCE_MAX} statements are running; try again later"
            ))
        })?;
        let Planned { statement, schema } = planned;
        let work = async move { statement.execute(parameters).await };
        let started = self.workers.run(Box::pin(work)).await;
        let started = started.ok_or_else(|| status::internal("the query could not be started"))?;
        let batches = self.workers.pull(started.map_err(|error| status::of(&error))?);
        let running = Running {
            batches,
            schema: schema.clone(),
            deadline: Instant::now() + STATEMENT_TIMEOUT,
            kill: self.kill.clone(),
            _place: place,
        };
        let batches = futures::stream::try_unfold(running, Running::next);
        Ok(Response::new(encoded(Some(schema), batches)))
    }
}

/// A statement whose rows flow. Dropped when the client goes, which stops the work.
struct Running {
    batches: Batches,
    schema: SchemaRef,
    deadline: Instant,
    kill: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Running {
    async fn next(mut self) -> Result<Option<(RecordBatch, Running)>, FlightError> {
        let stopped = |status: Status| Err(FlightError::from(status));
        let batch = tokio::select! {
            () = self.kill.cancelled() => {
                return stopped(Status::unavailable("the server stops"));
            }
            () = tokio::time::sleep_until(self.deadline) => {
                let longest = Duration::as_secs(&STATEMENT_TIMEOUT);
                let message = format!("the statement took longer than {longest} s");
                return stopped(Status::deadline_exceeded(message));
            }
            batch = self.batches.next() => batch,
        };
        match batch {
            Err(gone) => stopped(status::internal(gone)),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => stopped(status::of(&error)),
            Ok(Some(Ok(batch))) => Ok(Some((self.named(&batch)?, self))),
        }
    }

    fn named(&self, batch: &RecordBatch) -> Result<RecordBatch, FlightError> {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Service;

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let planned = self.plan(&identity(&request)?, query.query.clone()).await?;
        let ticket = TicketStatementQuery { statement_handle: query.query.into() };
        info(request.into_inner(), &ticket, &planned.schema)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let sql = String::from_utf8(ticket.statement_handle.into());
        let sql = sql.map_err(|_| Status::invalid_argument("the ticket is not of this server"))?;
        let planned = self.plan(&identity(&request)?, sql).await?;
        self.rows(planned, vec![]).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let identity = identity(&request)?;
        let planned = self.plan(&identity, query.query).await?;
        let parameters = planned.statement.parameters().iter().enumerate();
        let parameters =
            parameters.map(|(index, of)| Field::new(format!("${}", index + 1), of.clone(), true));
        let parameters = Schema::new(parameters.collect::<Vec<_>>());
        let (dataset_schema, parameter_schema) = (ipc(&planned.schema)?, ipc(&parameters)?);
        let handle = self.kepts.keep(identity, planned)?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.into(),
            dataset_schema,
            parameter_schema,
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        self.kepts.close(&identity(&request)?, &query.prepared_statement_handle)
    }

    /// Binds the one row of parameters that comes.
    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        use arrow_flight::decode::FlightRecordBatchStream;
        let identity = identity(&request)?;
        let data = request.into_inner().into_peekable().map_err(FlightError::from);
        let batches: Vec<RecordBatch> = FlightRecordBatchStream::new_from_flight_data(data)
            .try_collect()
            .await
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let batch = batches.into_iter().find(|batch| batch.num_rows() > 0);
        let (Some(batch), 1) = (batch, rows) else {
            return Err(Status::invalid_argument(format!(
                "{rows} rows of parameters where one is expected"
            )));
        };
        let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, 0));
        let values = values
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        self.kepts.bind(&identity, &query.prepared_statement_handle, values)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: None })
    }

    /// Samples come with a path, statements with a command.
    async fn do_put_fallback(
        &self,
        request: Request<PeekableFlightDataStream>,
        message: arrow_flight::sql::Any,
    ) -> Result<Response<<Self as FlightService>::DoPutStream>, Status> {
        let identity = identity(&request)?;
        let mut data = request.into_inner();
        let first = data.peek().await.and_then(|first| first.as_ref().ok());
        let path = first.and_then(|first| first.flight_descriptor.as_ref()).map(|of| &of.path);
        match path.map(Vec::as_slice) {
            Some([one]) if one == put::SAMPLES => {
                let results = put::put(self.intake.clone(), &identity, data, self.kill.clone());
                Ok(Response::new(results))
            }
            Some(path) if message.type_url.is_empty() => Err(Status::not_found(format!(
                "nothing can be put at '{}'; samples go to the path '{}'",
                path.join("/"),
                put::SAMPLES,
            ))),
            Some(_) | None => Err(Status::unimplemented(format!(
                "'{}' is not a command that writes",
                message.type_url
            ))),
        }
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let kept = self.kepts.get(&identity(&request)?, &query.prepared_statement_handle)?;
        info(request.into_inner(), &query, &kept.planned.schema)
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let kept = self.kepts.get(&identity(&request)?, &query.prepared_statement_handle)?;
        self.rows(kept.planned, kept.parameters).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(request.into_inner(), &query, &query.into_builder().schema())
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        _request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let mut builder = query.into_builder();
        builder.append(DATABASE);
        Ok(table(builder.build().map_err(status::internal)?))
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(request.into_inner(), &query.clone(), &query.into_builder().schema())
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        _request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let mut builder = query.into_builder();
        builder.append(DATABASE, SCHEMA);
        Ok(table(builder.build().map_err(status::internal)?))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(request.into_inner(), &query.clone(), &query.into_builder().schema())
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let session = self.engine.session(&identity(&request)?.name);
        let listed = self.workers.run(Box::pin(metadata::tables(session, query))).await;
        Ok(table(listed.ok_or_else(|| status::internal("the planner failed"))??))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        info(request.into_inner(), &query, &query.into_builder().schema())
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        _request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let mut builder = query.into_builder();
        builder.append(metadata::TABLE);
        builder.append(metadata::VIEW);
        Ok(table(builder.build().map_err(status::internal)?))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let about = metadata::ABOUT.as_ref().ok_or_else(|| status::internal("no information"))?;
        info(request.into_inner(), &query.clone(), &query.into_builder(about).schema())
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _request: Request<Ticket>,
    ) -> Result<Response<<Self as FlightService>::DoGetStream>, Status> {
        let about = metadata::ABOUT.as_ref().ok_or_else(|| status::internal("no information"))?;
        Ok(table(query.into_builder(about).build().map_err(status::internal)?))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
