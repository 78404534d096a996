// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// A response, before a message is made of it.
package struct CoAPResponse: Sendable, Equatable {
    package var code: CoAPCode
    package var contentFormat: UInt16?
    package var eTag: [UInt8]?
    /// 24 bits (RFC 7641 section 3.4).
    package var observe: UInt32?
    /// Seconds.
    package var maxAge: UInt32?
    package var block1: CoAPBlock?
    package var block2: CoAPBlock?
    package var size1: UInt32?
    package var size2: UInt32?
    package var echo: [UInt8]?
    /// Of an error, a diagnostic text in UTF-8 (RFC 7252 section 5.5.2).
    package var payload = ByteBuffer()

    package init(_ code: CoAPCode) { self.code = code }

    /// In order of number, as they have to be added.
    package var options: [CoAPOption] {
        var options: [CoAPOption] = []
        if let eTag { options.append(CoAPOption(CoAPOption.Number.eTag, eTag)) }
        if let observe { options.append(CoAPOption(CoAPOption.Number.observe, uint: observe & 0xFF_FFFF)) }
        if let contentFormat {
            options.append(CoAPOption(CoAPOption.Number.contentFormat, uint: UInt32(contentFormat)))
        }
        if let maxAge { options.append(CoAPOption(CoAPOption.Number.maxAge, uint: maxAge)) }
        if let block2 { options.append(CoAPOption(CoAPOption.Number.block2, uint: block2.value)) }
        if let block1 { options.append(CoAPOption(CoAPOption.Number.block1, uint: block1.value)) }
        if let size2 { options.append(CoAPOption(CoAPOption.Number.size2, uint: size2)) }
        if let size1 { options.append(CoAPOption(CoAPOption.Number.size1, uint: size1)) }
        if let echo { options.append(CoAPOption(CoAPOption.Number.echo, echo)) }
        return options
    }

    /// What it takes as a datagram at the most, in bytes.
    package var size: Int {
        let overhead = 4 + CoAPToken.maximumBytes + (payload.readableBytes > 0 ? 1 : 0)
        return options.reduce(overhead + payload.readableBytes) { $0 + 3 + $1.value.count }
    }
}
