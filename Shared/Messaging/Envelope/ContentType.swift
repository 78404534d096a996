// SPDX-License-Identifier: Apache-2.0

/// What a payload is.
public enum ContentType: Hashable, Sendable {
    case senmlJSON
    case senmlCBOR
    case json
    case octetStream
    /// Any other media type: stored as binary under this name. Lower case, without parameters.
    case other(String)

    /// The media type as text (RFC 8428 section 12.3 for SenML's).
    public var mediaType: String {
        switch self {
        case .senmlJSON: "application/senml+json"
        case .senmlCBOR: "application/senml+cbor"
        case .json: "application/json"
        case .octetStream: "application/octet-stream"
        case .other(let name): name
        }
    }
}
