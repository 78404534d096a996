// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging

/// Writes messages one page after the other into one document.
protocol ExportEncoder: Sendable {
    /// What comes before all messages.
    mutating func begin(_ output: inout [UInt8])
    /// - Throws: when a message cannot be expressed; the document is then worth nothing.
    mutating func append(_ messages: [StoredMessage], to output: inout [UInt8]) throws
    /// What comes behind them.
    mutating func end(_ output: inout [UInt8])
}

extension ExportQuery {
    func makeEncoder() -> any ExportEncoder {
        switch form {
        case .ndjson: NDJSONEncoder(channel: filter.channel, unit: unit)
        case .csv: CSVEncoder(format: filter.format, unit: unit)
        case .senmlJSON: SenMLPackEncoder(format: .json)
        case .senmlCBOR: SenMLPackEncoder(format: .cbor)
        }
    }
}
