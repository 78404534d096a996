// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestKit

/// A client with so many confirmable requests under way at a time (RFC 7252 calls that NSTART; its default is one), which are sent again until they are
/// answered.
///
/// A message ID must not come again from the same address and port within 247 s (EXCHANGE_LIFETIME, section 4.4), or it is a repetition: a client that
/// has used up 60,000 of the 65,536 goes on from another port.
final class CoAPClient {
    private struct Slot {
        var messageID: UInt16 = 0
        /// Distinguishes the requests of a slot.
        var generation: UInt16 = 0
        var sent: UInt64 = 0
        var isWaiting = false
        /// The server has it, and answers later.
        var isAcknowledged = false
    }

    /// ACK_TIMEOUT (section 4.8), without its random factor.
    private static let retransmitNanoseconds: UInt64 = 2_000_000_000
    private static let messageIDs = 60_000

    private let open: () throws -> CoAPSocket
    private var template: [UInt8]
    private var slots: [Slot]
    private var nextMessageID: UInt16 = 0
    private var used = 0
    private(set) var socket: CoAPSocket
    private(set) var answered = 0
    private(set) var refused = 0
    private(set) var repeated = 0
    /// The code of the last answer that was no success.
    private(set) var refusal: CoAPDatagram.Code?

    /// - Parameter open: a socket on a port of its own.
    init(_ request: CoAPDatagram, window: Int, _ open: @escaping () throws -> CoAPSocket) throws {
        self.open = open
        template = request.bytes
        slots = [Slot](repeating: Slot(), count: window)
        socket = try open()
        nextMessageID = socket.firstMessageID
    }

    var isIdle: Bool { !slots.contains { $0.isWaiting } }

    /// Sends where nothing is under way.
    func start(_ now: UInt64) {
        for index in slots.indices { send(index, now) }
    }

    private func send(_ index: Int, _ now: UInt64) {
        slots[index].messageID = nextMessageID
        slots[index].generation &+= 1
        slots[index].isWaiting = true
        slots[index].isAcknowledged = false
        nextMessageID &+= 1
        used += 1
        transmit(index, now)
    }

    private func transmit(_ index: Int, _ now: UInt64) {
        slots[index].sent = now
        socket.send(&template, messageID: slots[index].messageID, token: token(index))
    }

    private func token(_ index: Int) -> UInt32 { UInt32(index) << 16 | UInt32(slots[index].generation) }

    /// Reads what has come, and sends the next request for each answer unless `isStopping`.
    func serve(_ buffer: UnsafeMutableRawBufferPointer, _ now: UInt64, isStopping: Bool) {
        socket.receive(buffer) { head in
            if head.type == CoAPSocket.acknowledgement, head.code == 0 {
                if let index = slots.firstIndex(where: { $0.isWaiting && $0.messageID == head.messageID }) {
                    slots[index].isAcknowledged = true
                }
                return
            }
            socket.confirm(head)
            guard let answer = head.token, head.code >> 5 >= 2 else { return }
            let index = Int(answer >> 16)
            // The answer to a request that was sent twice comes twice.
            guard slots.indices.contains(index), slots[index].isWaiting, token(index) == answer else { return }
            slots[index].isWaiting = false
            if head.code >> 5 == 2 {
                answered += 1
            } else {
                refused += 1
                refusal = CoAPDatagram.Code(rawValue: head.code)
            }
            if !isStopping && used < Self.messageIDs { send(index, now) }
        }
    }

    /// Sends again what was lost, and opens another port when the message IDs are used up.
    ///
    /// - Returns: whether the socket is another one.
    func maintain(_ now: UInt64, isStopping: Bool) throws -> Bool {
        for index in slots.indices
        where slots[index].isWaiting && !slots[index].isAcknowledged
            && now - slots[index].sent > Self.retransmitNanoseconds
        {
            repeated += 1
            transmit(index, now)
        }
        guard used >= Self.messageIDs, isIdle, !isStopping else { return false }
        socket = try open()
        nextMessageID = socket.firstMessageID
        used = 0
        start(now)
        return true
    }
}
