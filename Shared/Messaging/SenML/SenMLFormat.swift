// SPDX-License-Identifier: Apache-2.0

/// The representations of SenML that are understood.
public enum SenMLFormat: Sendable, CaseIterable {
    /// RFC 8428 section 5.
    case json
    /// RFC 8428 section 6.
    case cbor

    /// nil when the type is not SenML.
    public init?(_ contentType: ContentType) {
        switch contentType {
        case .senmlJSON: self = .json
        case .senmlCBOR: self = .cbor
        case .json, .octetStream, .other: return nil
        }
    }
}
