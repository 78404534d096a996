// SPDX-License-Identifier: Apache-2.0
import Messaging

/// Something that reads bytes from outside, and what must hold whatever they are.
package protocol FuzzTarget: Sendable {
    var name: String { get }
    /// Valid inputs to begin from.
    var seeds: [[UInt8]] { get }
    /// Pieces that mean something to the reader.
    var dictionary: [[UInt8]] { get }

    /// A new input of the right shape, more or less.
    func generate(_ random: inout SeededRandom) -> [UInt8]

    /// Reads the input and checks what must hold.
    ///
    /// - Returns: whether the input was accepted.
    /// - Throws: ``Disagreement``.
    func check(_ input: [UInt8]) throws(Disagreement) -> Bool
}

/// Two readings of the same bytes that should be one.
package struct Disagreement: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

package enum FuzzTargets {
    package static let all: [any FuzzTarget] = [
        SenMLTarget(format: .json), SenMLTarget(format: .cbor), SenMLTranscoderTarget(from: .json),
        SenMLTranscoderTarget(from: .cbor), RawMessageTarget(), PathTarget(), JSONTarget(),
        MQTTTarget(), MQTTTopicTarget(), CoAPTarget(),
    ]
}
