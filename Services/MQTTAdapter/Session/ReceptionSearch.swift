// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Messaging
import NIOCore
import Observability

/// Looks in the stream for QoS 2 messages that an earlier process handed to the bus without learning whether it has them.
///
/// The bus knows a message that comes again by its identifier, but for two minutes only. A client that comes back later would have it stored a second time.
struct ReceptionSearch {
    /// What is read at most, from the first position on: a message lies close behind the position at which it was handed over.
    private static let maximumBytes = 256 << 20
    /// Where the position is not known, so many of the last messages: twice as many as the bus remembers identifiers.
    private static let messagesWithoutPosition: UInt64 = 200_000
    private static let readBytes = 1 << 20

    let bus: any Bus
    let broker: NIOLoopBound<Broker>
    let logger: Logger

    /// Ends with an answer, or when the task is cancelled: with the bus away it is tried again.
    func run() async {
        let broker = broker
        let positions = try? await broker.eventLoop.submit {
            broker.value.doubts.compactMapValues { $0.session.receptions[$0.packetIdentifier]?.position }
        }.get()
        var backOff = BackOff()
        while let positions, !Task.isCancelled {
            do throws(BusError) {
                let end = try await bus.streamState(Streams.messages).lastSequence
                let found = try await find(positions, through: end)
                try? await broker.eventLoop.submit { broker.value.searched(found, through: end) }.get()
                return
            } catch {
                logger.debug("the stream cannot be searched yet", metadata: [LogKey.error: "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
    }

    /// - Parameter positions: behind which each message is looked for, by its identifier.
    /// - Returns: those that are stored.
    private func find(_ positions: [String: UInt64], through end: UInt64) async throws(BusError) -> Set<String> {
        guard let first = positions.values.min() else { return [] }
        let withoutPosition = end > Self.messagesWithoutPosition ? end - Self.messagesWithoutPosition : 0
        var position = first == 0 ? withoutPosition : first
        var found: Set<String> = []
        var bytes = 0
        while position < end, found.count < positions.count {
            guard bytes < Self.maximumBytes else {
                logger.warning(
                    "messages whose storage is in doubt were not looked for to the end",
                    metadata: ["count": "\(positions.count - found.count)"])
                break
            }
            let batch = try await bus.read(
                stream: Streams.messages, from: position + 1, maximumBytes: Self.readBytes)
            guard let last = batch.last else { break }
            for message in batch {
                bytes += message.payload.readableBytes
                if let identifier = message.headers.messageID, positions[identifier] != nil { found.insert(identifier) }
            }
            position = last.sequence
        }
        if !positions.isEmpty {
            logger.info(
                "looked for messages whose storage was in doubt",
                metadata: ["count": "\(positions.count)", "found": "\(found.count)"])
        }
        return found
    }
}

extension Broker {
    /// Whether it is known what became of a QoS 2 message that comes again; if not yet, the connection's packet waits.
    func isCertain(_ view: PublishView, _ session: Session, for connection: Connection) -> Bool {
        guard !doubts.isEmpty, view.qos == .exactlyOnce, let reception = session.receptions[view.packetIdentifier],
            doubts[reception.messageID] != nil
        else { return true }
        waitingForDoubts.append(connection)
        return false
    }

    /// The search is over: what was found is received already.
    func searched(_ found: Set<String>, through sequence: UInt64) {
        knownSequence = max(knownSequence, sequence)
        for (messageID, (session, identifier)) in doubts {
            guard found.contains(messageID), var reception = session.receptions[identifier],
                reception.messageID == messageID
            else { continue }
            reception.isStored = true
            session.receptions[identifier] = reception
            session.receiver.hold(identifier)
            save(.reception(session.number, reception))
        }
        doubts = [:]
        let waiting = waitingForDoubts
        waitingForDoubts = []
        for connection in waiting { connection.resume() }
    }
}
