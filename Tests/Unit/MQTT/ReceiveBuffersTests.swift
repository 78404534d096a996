// SPDX-License-Identifier: Apache-2.0
import NIOCore
import TestKit
import Testing

@testable import MQTTAdapter

@Suite struct ReceiveBuffersTests {
    @Test("a connection's buffer grows and shrinks as NIO's own would", arguments: 1...20)
    func followsNIO(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var buffers = ReceiveBuffers()
        var reference = AdaptiveRecvByteBufferAllocator(
            minimum: ReceiveBuffers.smallest, initial: ReceiveBuffers.smallest, maximum: ReceiveBuffers.largest)
        for step in 0..<2_000 {
            guard let size = buffers.nextBufferSize(), size == reference.nextBufferSize() else {
                Issue.record("another size than NIO's at step \(step)")
                return
            }
            #expect(buffers.buffer(allocator: ByteBufferAllocator()).capacity >= size)
            // Reads that fill the buffer, that nearly do, and small ones, in waves.
            let fills = (step / 50).isMultiple(of: 2) ? 9 : 1
            let read = Int.random(in: 0..<10, using: &random) < fills ? size : Int.random(in: 1...size, using: &random)
            #expect(buffers.record(actualReadBytes: read) == reference.record(actualReadBytes: read))
        }
    }

    @Test("it is small enough to be kept where the channel keeps it")
    func isSmall() {
        // Larger ones are boxed (three words of an existential).
        #expect(MemoryLayout<ReceiveBuffers>.size <= 3 * MemoryLayout<Int>.size)
    }
}
