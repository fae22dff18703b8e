//! Samples that come in as Arrow record batches, with pyarrow.

use crate::harness::{Place, Server, run};
use crate::peers::python;

/// Runs one act of `clients/put.py`.
fn client(server: &Server, act: &str) {
    let mut command = server.client(python("clients/put.py"));
    command.arg(act);
    assert_eq!(run(command), "ok", "{act}");
}

#[test]
fn i2_batches_of_every_shape_are_read_back_as_they_were_put() {
    let place = Place::new("");
    let server = place.start();
    client(&server, "shapes");
    server.stop();
}

#[test]
fn a_wrong_batch_is_refused_with_its_column_and_what_came_before_is_stored() {
    let place = Place::new("");
    let server = place.start();
    client(&server, "wrong");
    server.stop();
}

#[test]
fn i3_a_numbered_batch_that_is_put_again_is_stored_once() {
    let place = Place::new("");
    let server = place.start();
    client(&server, "numbered");
    server.stop();
    let server = place.start();
    client(&server, "again");
    server.stop();
}

#[test]
fn batches_of_a_stream_are_stored_in_their_order() {
    let place = Place::new("[log]\nlinger_ms = 50\n");
    let server = place.start();
    client(&server, "order");
    server.stop();
}

#[test]
fn l2_a_batch_that_was_answered_survives_sigkill() {
    let place = Place::new("");
    let server = place.start();
    client(&server, "numbered");
    server.kill();
    let server = place.start();
    client(&server, "again");
    server.stop();
}
