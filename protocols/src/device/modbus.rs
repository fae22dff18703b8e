//! A simulated Modbus TCP device: it serves a register image, and fails on demand.
//!
//! The image is shared: whoever owns the device sets it, clients read it and may write coils and
//! holding registers. What the values mean is not known here.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use super::image::{Area, Exception, Image, Place};

/// Wait before a port that is not free yet is asked for again.
const BIND_RETRY: Duration = Duration::from_millis(200);

/// What is wrong with a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it answers.
    #[default]
    None,
    /// Its connections stay open and it does not answer.
    Silent,
    /// It answers every request with exception 4.
    Failed,
    /// It is off the network: its connections break and its port is closed.
    Gone,
}

/// A simulated device. Cheap to clone; all clones are the same device.
#[derive(Clone, Debug)]
pub struct Device {
    image: Arc<RwLock<Image>>,
    fault: watch::Sender<Fault>,
}

impl Default for Device {
    fn default() -> Device {
        Device::new(Image::default())
    }
}

impl Device {
    /// A device without a fault.
    pub fn new(image: Image) -> Device {
        Device { image: Arc::new(RwLock::new(image)), fault: watch::Sender::new(Fault::None) }
    }

    /// Changes the image; a client sees all of the change or nothing of it.
    pub fn update(&self, change: impl FnOnce(&mut Image)) {
        change(&mut self.image.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Puts the device into a fault, or out of it.
    pub fn set_fault(&self, fault: Fault) {
        self.fault.send_if_modified(|now| std::mem::replace(now, fault) != fault);
    }

    /// Serves clients until it is dropped, which breaks their connections. Ends by itself only if
    /// the socket does.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        let mut fault = self.fault.subscribe();
        let mut listener = Some(listener);
        loop {
            let open = match listener.take() {
                Some(open) => open,
                None => bind_again(address).await,
            };
            tokio::select! {
                ended = self.serve_on(open) => return ended,
                _ = fault.wait_for(|fault| *fault == Fault::Gone) => {}
            }
            if fault.wait_for(|fault| *fault != Fault::Gone).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn serve_on(&self, listener: TcpListener) -> io::Result<()> {
        let connected = |stream: TcpStream, _: SocketAddr| {
            // An answer is one small packet; it shall not wait for another one.
            let service = stream.set_nodelay(true).map(|()| Some((self.clone(), stream)));
            ready(service)
        };
        let failed = |error| tracing::debug!(%error, "a simulated device lost a client");
        Server::new(listener).serve(&connected, failed).await
    }

    fn answer(&self, unit: u8, request: &Request<'_>) -> Result<Option<Response>, Exception> {
        match *self.fault.borrow() {
            Fault::None => {}
            Fault::Silent | Fault::Gone => return Ok(None),
            Fault::Failed => return Err(Exception::Failure),
        }
        let at = |area, number| Place { unit, area, number };
        let read = |area, number, count| {
            let image = self.image.read().unwrap_or_else(PoisonError::into_inner);
            image.read(at(area, number), count)
        };
        let bits = |area, number, count| {
            read(area, number, count).map(|words| words.iter().map(|word| *word != 0).collect())
        };
        let write = |area, number, words: &[u16]| {
            let mut image = self.image.write().unwrap_or_else(PoisonError::into_inner);
            image.write(at(area, number), words).map(|()| words.len() as u16)
        };
        let response = match request {
            Request::ReadCoils(a, n) => Response::ReadCoils(bits(Area::Coil, *a, *n)?),
            Request::ReadDiscreteInputs(a, n) => {
                Response::ReadDiscreteInputs(bits(Area::Discrete, *a, *n)?)
            }
            Request::ReadHoldingRegisters(a, n) => {
                Response::ReadHoldingRegisters(read(Area::Holding, *a, *n)?)
            }
            Request::ReadInputRegisters(a, n) => {
                Response::ReadInputRegisters(read(Area::Input, *a, *n)?)
            }
            Request::WriteSingleCoil(a, bit) => {
                write(Area::Coil, *a, &[u16::from(*bit)])?;
                Response::WriteSingleCoil(*a, *bit)
            }
            Request::WriteMultipleCoils(a, bits) => {
                let words: Vec<u16> = bits.iter().map(|bit| u16::from(*bit)).collect();
                Response::WriteMultipleCoils(*a, write(Area::Coil, *a, &words)?)
            }
            Request::WriteSingleRegister(a, word) => {
                write(Area::Holding, *a, &[*word])?;
                Response::WriteSingleRegister(*a, *word)
            }
            Request::WriteMultipleRegisters(a, words) => {
                Response::WriteMultipleRegisters(*a, write(Area::Holding, *a, words)?)
            }
            _ => return Err(Exception::Function),
        };
        Ok(Some(response))
    }
}

impl Service for Device {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = std::future::Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        ready(self.answer(request.slave, &request.request).map_err(code))
    }
}

fn code(exception: Exception) -> ExceptionCode {
    match exception {
        Exception::Function => ExceptionCode::IllegalFunction,
        Exception::Address => ExceptionCode::IllegalDataAddress,
        Exception::Value => ExceptionCode::IllegalDataValue,
        Exception::Failure => ExceptionCode::ServerDeviceFailure,
        Exception::NoTarget => ExceptionCode::GatewayTargetDevice,
    }
}

/// Listens at `address` as soon as the system lets it.
async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::debug!(%error, %address, "a simulated device waits for its port");
            }
        }
        sleep(BIND_RETRY).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio_modbus::client::{Context, Reader, Writer, tcp};
    use tokio_modbus::{Slave, prelude::SlaveContext};

    use super::*;

    async fn device() -> (Device, SocketAddr, tokio::task::JoinHandle<io::Result<()>>) {
        let device = Device::default();
        device.update(|image| {
            image.set_words(Place { unit: 1, area: Area::Input, number: 0 }, &[1, 2, 3]);
            image.set_bit(Place { unit: 2, area: Area::Coil, number: 4 }, true);
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = device.clone();
        let task = tokio::spawn(async move { served.serve(listener).await });
        (device, address, task)
    }

    async fn connect(address: SocketAddr) -> Context {
        let stream = TcpStream::connect(address).await.unwrap();
        tcp::attach_slave(stream, Slave(1))
    }

    #[tokio::test]
    async fn it_answers_reads_writes_and_exceptions() {
        let (_device, address, task) = device().await;
        let mut client = connect(address).await;
        assert_eq!(client.read_input_registers(1, 2).await.unwrap(), Ok(vec![2, 3]));
        let beyond = client.read_input_registers(1, 3).await.unwrap();
        assert_eq!(beyond, Err(ExceptionCode::IllegalDataAddress));
        client.set_slave(Slave(2));
        assert_eq!(client.read_coils(4, 1).await.unwrap(), Ok(vec![true]));
        assert_eq!(client.write_single_coil(4, false).await.unwrap(), Ok(()));
        assert_eq!(client.read_coils(4, 1).await.unwrap(), Ok(vec![false]));
        client.set_slave(Slave(3));
        let nobody = client.read_coils(4, 1).await.unwrap();
        assert_eq!(nobody, Err(ExceptionCode::GatewayTargetDevice));
        task.abort();
    }

    #[tokio::test]
    async fn it_fails_as_told_and_comes_back_at_the_same_port() {
        let (device, address, task) = device().await;
        let mut client = connect(address).await;
        device.set_fault(Fault::Failed);
        let failed = client.read_input_registers(0, 1).await.unwrap();
        assert_eq!(failed, Err(ExceptionCode::ServerDeviceFailure));
        device.set_fault(Fault::Gone);
        assert!(client.read_input_registers(0, 1).await.is_err());
        device.set_fault(Fault::None);
        let mut again = loop {
            match TcpStream::connect(address).await {
                Ok(stream) => break tcp::attach_slave(stream, Slave(1)),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(again.read_input_registers(0, 1).await.unwrap(), Ok(vec![1]));
        task.abort();
    }
}
