// SPDX-License-Identifier: Apache-2.0
import Core

/// How far a stream has been followed. A sequence number says nothing without the stream whose it is: one that was lost and begun anew gives them again.
public struct StreamPosition: Sendable, Equatable {
    public var stream: StreamID
    /// Everything up to here; 0: nothing.
    public var sequence: UInt64

    public init(stream: StreamID, sequence: UInt64) {
        self.stream = stream
        self.sequence = sequence
    }
}
