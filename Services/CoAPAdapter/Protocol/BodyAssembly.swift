// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Puts bodies together that come block by block (RFC 7959 section 2.5), each in order.
///
/// Bounded: by the bytes of all, by the number of each peer, and by the time from one block to the next. Whoever calls it has authorized the block.
package struct BodyAssembly {
    /// What belongs together (RFC 7959 section 2.4): the endpoint, and all of a request but its blocks.
    package struct Key: Hashable, Sendable {
        let peer: PeerAddress
        let session: UInt64
        let method: CoAPMethod?
        let path: [[UInt8]]
        let query: [[UInt8]]
        let contentFormat: UInt16?
        let accept: UInt16?

        package init(_ request: CoAPRequest) {
            peer = request.peer
            session = request.session
            method = request.method
            path = request.options.path
            query = request.options.query
            contentFormat = request.options.contentFormat
            accept = request.options.accept
        }

        /// What it takes in memory, about; a path over TCP may be as long as a message.
        var bytes: Int { (path + query).reduce(512) { $0 + 48 + $1.count } }

        fileprivate var owner: Owner { Owner(peer: peer, session: session) }
    }

    fileprivate struct Owner: Hashable {
        let peer: PeerAddress
        let session: UInt64
    }

    package struct Limits: Sendable, Equatable {
        package var maximumBody = 1 << 20
        /// Of all bodies that are not complete, and of what else is kept of them.
        package var maximumBytes = 64 << 20
        package var maximumBodiesOfPeer = 4
        package var timeoutNanoseconds: UInt64 = 60_000_000_000

        package init() {}
    }

    private struct Body {
        var bytes: ByteBuffer
        /// Where the block before began.
        var lastOffset: Int
        var touchedAt: UInt64
    }

    private let limits: Limits
    private var bodies: [Key: Body] = [:]
    private var countByOwner: [Owner: Int] = [:]
    package private(set) var heldBytes = 0
    /// Bodies that were given up because no further block came.
    package private(set) var abandoned: UInt64 = 0

    package init(_ limits: Limits) { self.limits = limits }

    package var count: Int { bodies.count }

    /// Takes a block.
    ///
    /// - Parameters:
    ///   - size: of the whole body, where the client says it.
    ///   - now: monotonic nanoseconds.
    /// - Throws: 4.00 for a block that is not what it says, 4.08 for one that does not follow, 4.13, 5.03.
    package mutating func add(
        _ payload: ByteBuffer, _ block: CoAPBlock, size: UInt32?, to key: Key, isReliable: Bool, now: UInt64
    ) throws(Refusal) {
        let isWhole =
            block.sizeExponent == CoAPBlock.bert
            ? isReliable && payload.readableBytes % block.size == 0 && payload.readableBytes > 0
            : payload.readableBytes == block.size
        guard isWhole || (!block.isMore && (block.sizeExponent != CoAPBlock.bert || isReliable)),
            block.sizeExponent == CoAPBlock.bert || payload.readableBytes <= block.size
        else {
            throw Refusal(.badRequest, reason: "block-size", "The payload is not as long as the Block1 option says.")
        }
        if block.number == 0 { remove(key) }
        let held = bodies[key]?.bytes.readableBytes ?? 0
        if let body = bodies[key], block.isMore, block.offset == body.lastOffset,
            block.offset + payload.readableBytes == held
        {
            // The client did not hear that it has come.
            bodies[key]?.touchedAt = now
            return
        }
        guard block.offset == held else {
            remove(key)
            throw Refusal(
                .requestEntityIncomplete, reason: "block-missing",
                "Blocks before this one are not here: begin with the first.")
        }
        guard held + payload.readableBytes <= limits.maximumBody, Int(size ?? 0) <= limits.maximumBody else {
            remove(key)
            throw Refusal(
                .requestEntityTooLarge, reason: "payload-too-large",
                "The message is larger than the \(limits.maximumBody) bytes that are accepted.",
                largestBody: limits.maximumBody)
        }
        try makeRoom(payload.readableBytes, key)
        if bodies[key] == nil {
            countByOwner[key.owner, default: 0] += 1
            heldBytes += key.bytes
        }
        var body = bodies.removeValue(forKey: key) ?? Body(bytes: ByteBuffer(), lastOffset: 0, touchedAt: now)
        body.bytes.writeImmutableBuffer(payload)
        body.lastOffset = block.offset
        body.touchedAt = now
        bodies[key] = body
        heldBytes += payload.readableBytes
    }

    private func makeRoom(_ bytes: Int, _ key: Key) throws(Refusal) {
        let isNew = bodies[key] == nil
        let ofPeer = isNew ? countByOwner[key.owner] ?? 0 : 0
        let more = bytes + (isNew ? key.bytes : 0)
        guard heldBytes + more <= limits.maximumBytes, ofPeer < limits.maximumBodiesOfPeer else {
            throw Refusal(
                .serviceUnavailable, reason: "bodies-maximum",
                "More bodies are under way in blocks than this server may hold.", retryAfterSeconds: 5)
        }
    }

    /// Takes out a body whose last block has come.
    package mutating func take(_ key: Key) -> ByteBuffer? {
        guard let body = bodies.removeValue(forKey: key) else { return nil }
        heldBytes -= body.bytes.readableBytes + key.bytes
        let left = (countByOwner[key.owner] ?? 1) - 1
        countByOwner[key.owner] = left > 0 ? left : nil
        return body.bytes
    }

    private mutating func remove(_ key: Key) { _ = take(key) }

    /// Gives up what has waited for a block too long.
    package mutating func expire(_ now: UInt64) {
        let overdue = bodies.filter { $0.value.touchedAt &+ limits.timeoutNanoseconds <= now }.keys
        for key in overdue {
            remove(key)
            abandoned &+= 1
        }
    }
}
