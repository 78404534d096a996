// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// One PUBLISH as several subscribers get it, packet identifiers apart: written once, copied for each.
struct PublishTemplate {
    let bytes: ByteBuffer
    /// Of the packet identifier; nil with QoS 0.
    let identifierOffset: Int?

    var count: Int { bytes.readableBytes }

    init(_ layout: PublishLayout) {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(layout.count)
        layout.write(into: &buffer)
        bytes = buffer
        identifierOffset = layout.identifierOffset
    }

    /// - Parameter packetIdentifier: not looked at with QoS 0.
    func write(packetIdentifier: UInt16 = 0, isDuplicate: Bool = false, into buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeImmutableBuffer(bytes)
        guard let identifierOffset else { return }
        buffer.setInteger(packetIdentifier, at: start + identifierOffset)
        if isDuplicate, let first = buffer.getInteger(at: start, as: UInt8.self) {
            buffer.setInteger(first | 8, at: start)
        }
    }
}
