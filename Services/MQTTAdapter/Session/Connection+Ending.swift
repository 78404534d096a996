// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import NIOCore
import Observability

/// The end, whoever brings it about.
extension Connection {
    /// Ends the connection with a reason, which MQTT 5 is told ([MQTT-4.13.1-1]).
    func end(_ reason: ReasonCode, _ text: String) {
        guard phase != .closed else { return }
        broker.metrics.ended(reason, on: listener)
        if version == .v5, phase == .connected {
            var properties = Properties()
            properties.reasonString = text
            if reason == .useAnotherServer { properties.serverReference = broker.operators.serverReference }
            write(.disconnect(Disconnect(reason: reason, properties: properties)))
        }
        closeNow()
    }

    /// A packet broke a rule.
    func violated(_ violation: Violation) {
        broker.metrics.violated(violation)
        guard phase != .closed else { return }
        if phase == .connecting { return refuseConnect(violation) }
        end(violation.reason, violation.description)
    }

    /// Sends what is written already, then closes.
    ///
    /// - Parameter savesFirst: when the store knows of it: a client that sees its connection closed counts on what it asked for.
    func closeNow(savesFirst: Bool = false) {
        guard phase != .closed else { return }
        let context = context
        if context?.channel.isWritable == true { flush() }
        closed()
        guard savesFirst, let channel = context?.channel else {
            context?.close(promise: nil)
            return
        }
        broker.whenSaved { channel.close(promise: nil) }
    }

    func closed() {
        let wasKnown = phase != .closed || session != nil
        become(.closed)
        pending = ByteBuffer()
        watch?.cancel()
        watch = nil
        broker.remove(self)
        letGo()
        guard wasKnown, let session else { return }
        self.session = nil
        broker.ended(session, self)
    }
}
