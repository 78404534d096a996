// SPDX-License-Identifier: Apache-2.0

/// What an export is written in.
enum ExportForm: String, Sendable, CaseIterable {
    case ndjson
    case csv
    case senmlJSON = "senml-json"
    case senmlCBOR = "senml-cbor"

    /// With the parameters that RFC 4180 section 3 knows.
    var contentType: String { self == .csv ? "text/csv; charset=utf-8; header=present" : mediaType }

    var mediaType: String {
        switch self {
        case .ndjson: "application/x-ndjson"
        case .csv: "text/csv"
        case .senmlJSON: "application/senml+json"
        case .senmlCBOR: "application/senml+cbor"
        }
    }

    /// Of a file that holds it.
    var fileExtension: String {
        switch self {
        case .ndjson: "ndjson"
        case .csv: "csv"
        case .senmlJSON: "senml"
        case .senmlCBOR: "senmlc"
        }
    }

    /// Whether it is a SenML pack: records only, in the order of their times, absolute ones (RFC 8428 section 4.6), and at least one.
    var isPack: Bool { self == .senmlJSON || self == .senmlCBOR }

    /// The first that a client likes best among those that it takes (RFC 9110 section 12.5.1).
    /// - Returns: nil when it takes none of them.
    init?(accepting header: String) {
        var best: (form: ExportForm, quality: Double)?
        for range in header.split(separator: ",") {
            let parts = range.split(separator: ";").map { $0.filter { !$0.isWhitespace }.lowercased() }
            guard let form = parts.first.flatMap(Self.named) else { continue }
            let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            if quality > 0, quality > best?.quality ?? 0 { best = (form, quality) }
        }
        guard let best else { return nil }
        self = best.form
    }

    private static func named(_ mediaRange: String) -> ExportForm? {
        switch mediaRange {
        case "*/*", "application/*", "application/x-ndjson", "application/ndjson", "application/jsonl": .ndjson
        case "text/csv", "text/*": .csv
        case "application/senml+json": .senmlJSON
        case "application/senml+cbor": .senmlCBOR
        default: nil
        }
    }
}
