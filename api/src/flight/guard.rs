//! Who may call: every call but the handshake comes through here and must say who it is.
//!
//! The identity goes along with the request. What a call answers is `service`'s.

use std::pin::Pin;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, BasicAuth, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::{Stream, StreamExt};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::service::Service;
use crate::auth::{Accounts, Identity};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

/// The service behind the login.
pub(super) struct Guard {
    service: Service,
    accounts: Accounts,
}

impl Guard {
    pub(super) fn new(service: Service, accounts: Accounts) -> Guard {
        Guard { service, accounts }
    }

    /// Lets a request in that proves who sends it.
    async fn admit<T>(&self, mut request: Request<T>) -> Result<Request<T>, Status> {
        let identity = self.by_header(request.metadata()).await?;
        request.extensions_mut().insert(identity);
        Ok(request)
    }

    async fn by_header(&self, metadata: &MetadataMap) -> Result<Identity, Status> {
        let header = metadata.get("authorization").and_then(|header| header.to_str().ok());
        let Some(header) = header else {
            return Err(Status::unauthenticated("log in with a handshake, Basic or a token"));
        };
        let identity = self.accounts.authorize(header).await;
        identity.ok_or_else(|| Status::unauthenticated("wrong user name, password or token"))
    }

    /// Name and password as the message of a handshake, as clients before Flight SQL send them.
    async fn by_message(
        &self,
        mut messages: Streaming<HandshakeRequest>,
    ) -> Result<Identity, Status> {
        let wrong = || Status::unauthenticated("wrong user name or password");
        let message = messages.next().await.ok_or_else(wrong)??;
        let basic = BasicAuth::decode(message.payload).map_err(|_| wrong())?;
        self.accounts.login(&basic.username, &basic.password).await.ok_or_else(wrong)
    }
}

#[tonic::async_trait]
impl FlightService for Guard {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    /// A token for name and password, in the header and in the message: clients look at either.
    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let identity = match request.metadata().contains_key("authorization") {
            true => self.by_header(request.metadata()).await?,
            false => self.by_message(request.into_inner()).await?,
        };
        let token = self.accounts.issue_token(&identity);
        let header = format!("Bearer {token}")
            .parse()
            .map_err(|_| Status::internal("the token cannot be sent"))?;
        let answer = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let answers = futures::stream::iter([Ok(answer)]);
        let mut response = Response::new(Box::pin(answers) as Self::HandshakeStream);
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        self.admit(request).await?;
        Err(Status::unimplemented("there are no flights to list; ask with Flight SQL"))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.service.get_flight_info(self.admit(request).await?).await
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        self.admit(request).await?;
        Err(Status::unimplemented("results are streamed as they are made; there is no polling"))
    }

    /// The schema that the flight's information has too.
    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let info = self.service.get_flight_info(self.admit(request).await?).await?;
        Ok(Response::new(SchemaResult { schema: info.into_inner().schema }))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        self.service.do_get(self.admit(request).await?).await
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        self.service.do_put(self.admit(request).await?).await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        self.admit(request).await?;
        Err(Status::unimplemented("there is nothing to exchange"))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        self.service.do_action(self.admit(request).await?).await
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        self.admit(request).await?;
        let actions = [
            ("CreatePreparedStatement", "Plans a statement to be run later or often."),
            ("ClosePreparedStatement", "Forgets a planned statement."),
        ];
        let action = |(name, about): (&str, &str)| ActionType {
            r#type: name.to_owned(),
            description: about.to_owned(),
        };
        let answers = futures::stream::iter(actions.map(|named| Ok(action(named))));
        Ok(Response::new(Box::pin(answers)))
    }
}
