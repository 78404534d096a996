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
        limits.maximumBytes = 100
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
        #expect(bodies.heldBytes == 96)
        bodies.expire(10)
        #expect(bodies.heldBytes == 64)
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
            #expect(slices.heldBytes == 2_500)
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
