// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing

@testable import CoAPAdapter

@Suite struct BodyTests {
    private func key(_ port: UInt16 = 1, path: String = "a") -> BodyAssembly.Key {
        var options = CoAPOptions()
        options.path = [Array(path.utf8)]
        return BodyAssembly.Key(
            CoAPRequest(
                method: .post, transport: .udp, peer: PeerAddress(ipv4: 1, port: port), session: 0, isConfirmable: true,
                messageID: 0, token: .empty, options: options, payload: ByteBuffer()))
    }

    private func bytes(_ count: Int) -> ByteBuffer { ByteBuffer(repeating: 7, count: count) }

    private func refusal(_ body: () throws(Refusal) -> Void) -> Refusal? {
        do throws(Refusal) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test("Held bytes are bounded for all, bodies for one peer, and what waits too long is given up")
    func bounds() throws {
        var limits = BodyAssembly.Limits()
        let each = 32 + key().bytes
        limits.maximumBytes = 3 * each + 4
        limits.maximumBodiesOfPeer = 2
        limits.timeoutNanoseconds = 10
        var bodies = BodyAssembly(limits)
        let first = CoAPBlock(number: 0, isMore: true, sizeExponent: 1)
        func add(_ key: BodyAssembly.Key, _ now: UInt64) -> String? {
            do throws(Refusal) {
                try bodies.add(bytes(32), first, size: nil, to: key, isReliable: false, now: now)
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(add(key(path: "a"), 0) == nil)
        #expect(add(key(path: "b"), 5) == nil)
        #expect(add(key(path: "c"), 5) == "bodies-maximum")
        #expect(add(key(2), 5) == nil)
        #expect(add(key(3), 5) == "bodies-maximum")
        #expect(bodies.heldBytes == 3 * each)
        bodies.expire(10)
        #expect(bodies.heldBytes == 2 * each)
        #expect(bodies.abandoned == 1)
        #expect(add(key(3), 11) == nil)
        bodies.expire(100)
        #expect(bodies.heldBytes == 0)
        #expect(bodies.count == 0)
    }

    @Test("Several blocks in a message are BERT's, and only over a reliable transport (RFC 8323 section 6)")
    func bert() throws {
        var bodies = BodyAssembly(BodyAssembly.Limits())
        let two = CoAPBlock(number: 0, isMore: true, sizeExponent: CoAPBlock.bert)
        #expect(
            refusal { () throws(Refusal) in
                try bodies.add(bytes(2_048), two, size: nil, to: key(), isReliable: false, now: 0)
            }?.reason == "block-size")
        try bodies.add(bytes(2_048), two, size: nil, to: key(), isReliable: true, now: 0)
        let last = CoAPBlock(number: 2, isMore: false, sizeExponent: CoAPBlock.bert)
        try bodies.add(bytes(1_500), last, size: nil, to: key(), isReliable: true, now: 0)
        let body = bodies.take(key())
        #expect(body?.readableBytes == 3_548)
        #expect(bodies.heldBytes == 0)
    }

    @Test("Every block of a content is had, in any size, and none beyond its end")
    func slices() throws {
        let content = Content(
            payload: ByteBuffer(bytes: (0..<2_500).map { UInt8(truncatingIfNeeded: $0) }), contentFormat: 42)
        for exponent in UInt8(0)...6 {
            var slices = BodySlices(maximumBytes: 10_000)
            var body = ByteBuffer()
            var block: CoAPBlock? = CoAPBlock(number: 0, isMore: false, sizeExponent: exponent)
            while let asked = block {
                let kept = try slices.next(key(), asked, now: 1)
                let response = try kept ?? slices.begin(content, key(), asked, room: 1_024, now: 1)
                #expect((kept == nil) == (asked.number == 0))
                body.writeImmutableBuffer(response.payload)
                let answered = try #require(response.block2)
                #expect(answered.sizeExponent == exponent)
                block =
                    answered.isMore
                    ? CoAPBlock(number: answered.number + 1, isMore: false, sizeExponent: exponent) : nil
            }
            #expect(body == content.payload)
            #expect(slices.heldBytes == 2_500 + key().bytes)
            slices.expire(100_000_000_000)
            #expect(slices.heldBytes == 0)
        }
        var slices = BodySlices(maximumBytes: 10_000)
        let fits = try slices.begin(content, key(), nil, room: 2_500, now: 0)
        #expect(fits.block2 == nil)
        let first = try slices.begin(content, key(), nil, room: 2_499, now: 0)
        #expect(first.block2?.sizeExponent == 6)
        let small = try slices.begin(
            content, key(), CoAPBlock(number: 1, isMore: false, sizeExponent: 6), room: 100, now: 0)
        #expect(small.block2 == CoAPBlock(number: 16, isMore: true, sizeExponent: 2))
        #expect(
            refusal { () throws(Refusal) in
                _ = try slices.begin(
                    content, key(), CoAPBlock(number: 3, isMore: false, sizeExponent: 6), room: 1_024, now: 0)
            }?.reason == "block-range")
    }
}

@Suite struct BodyLimitTests {
    private func key(_ number: Int, path: Int = 10) -> BodyAssembly.Key {
        var options = CoAPOptions()
        options.path = [[UInt8](repeating: 0x61, count: path)]
        return BodyAssembly.Key(
            CoAPRequest(
                method: .post, transport: .udp, peer: PeerAddress(ipv4: UInt32(number), port: 1), session: 0,
                isConfirmable: true, messageID: 1, token: .empty, options: options, payload: ByteBuffer()))
    }

    @Test("What is kept of small bodies besides their bytes counts, too")
    func smallBodies() throws {
        var limits = BodyAssembly.Limits()
        limits.maximumBytes = 100_000
        var bodies = BodyAssembly(limits)
        let block = CoAPBlock(number: 0, isMore: true, sizeExponent: 0)
        var count = 0
        while count < 10_000,
            (try? bodies.add(
                ByteBuffer(repeating: 1, count: 16), block, size: nil, to: key(count), isReliable: false, now: 1))
                != nil
        {
            count += 1
        }
        #expect((50..<250).contains(count))
        #expect(bodies.count == count)
        for number in 0..<count { _ = bodies.take(key(number)) }
        #expect(bodies.heldBytes == 0)
        // A path as long as a message leaves room for less.
        #expect(throws: Refusal.self) {
            try bodies.add(
                ByteBuffer(repeating: 1, count: 16), block, size: nil, to: key(0, path: 200_000), isReliable: true,
                now: 1)
        }
        #expect(bodies.heldBytes == 0)
    }

    @Test("Slices are bytes of their own, and those of many small contents are bounded")
    func slices() throws {
        var slices = BodySlices(maximumBytes: 100_000)
        let large = Content(payload: ByteBuffer(repeating: 1, count: 90_000), contentFormat: nil)
        let first = try slices.begin(large, key(0), nil, room: 1_024, now: 1)
        #expect(first.payload.readableBytes == 1_024)
        #expect(first.payload.storageCapacity <= 2_048)
        let small = Content(payload: ByteBuffer(repeating: 1, count: 32), contentFormat: nil)
        let block = CoAPBlock(number: 0, isMore: false, sizeExponent: 0)
        for number in 1..<1_000 { _ = try slices.begin(small, key(number), block, room: 1_024, now: 1) }
        #expect(slices.heldBytes <= 100_000)
        let next = CoAPBlock(number: 1, isMore: false, sizeExponent: 0)
        let kept = try (1..<1_000).count { try slices.next(key($0), next, now: 2) != nil }
        #expect((50..<250).contains(kept))
        #expect(try slices.next(key(999), next, now: 2) != nil)
        slices.expire(1 << 60)
        #expect(slices.heldBytes == 0)
    }
}
