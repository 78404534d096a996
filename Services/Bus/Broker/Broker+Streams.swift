// SPDX-License-Identifier: Apache-2.0
import Bus

/// A reader of a durable consumer.
final class Consumer {}

extension Broker {
    func store(_ connection: Connection, _ frame: PublishFrame, stream: Int32) -> Bool { true }

    func command(_ connection: Connection, _ frame: ControlFrame) {
        connection.failed(frame.token, .notFound, "no streams")
    }

    func consume(_ connection: Connection, _ frame: ControlFrame) {
        connection.failed(frame.token, .notFound, "no streams")
    }

    func acknowledge(_ connection: Connection, _ frame: ControlFrame) {}

    func detach(_ consumer: Consumer) {}
}
