// SPDX-License-Identifier: Apache-2.0
import Core
import Foundation
import HTTPKit
import NIOCore
import ServiceKit

/// An export while it is sent: page by page, each read when the one before has gone to the socket. Between two pages it holds no connection to the
/// database. What goes wrong in the middle ends the connection: the last chunk (RFC 9112 section 7.1) is then missing. A client that does not read is cut
/// off as everywhere.
struct JournalExport: Sendable {
    enum Form: String, Sendable, CaseIterable {
        case ndjson
        case csv

        var mediaType: String {
            switch self {
            case .ndjson: "application/x-ndjson"
            case .csv: "text/csv"
            }
        }
    }

    /// Entries of a page: about half a MiB.
    static let pageSize = 500

    let store: any JournalStore
    let query: JournalQuery
    let form: Form
    let withAttributes: Bool
    /// Ends the connection.
    let disconnect: @Sendable () -> Void

    func response() async throws -> Response {
        // Before the head is sent: what keeps it from beginning is told as everywhere.
        let first = try await store.page(query, counting: false)
        return Response(
            status: .ok,
            headers: [
                .contentType: form == .csv ? "text/csv; charset=utf-8" : form.mediaType, .cacheControl: "no-store",
                .contentDisposition: "attachment; filename=\"journal.\(form.rawValue)\"",
            ],
            body: ResponseBody { writer in
                try await withGracefulShutdownHandler {
                    try await write(first, to: &writer)
                } onGracefulShutdown: {
                    disconnect()
                }
            })
    }

    private func write(_ first: JournalPage, to writer: inout any ResponseBodyWriter) async throws {
        var page = first
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if form == .csv { try await writer.write(ByteBuffer(string: JournalCSV.header)) }
        while true {
            var output: [UInt8] = []
            for stored in page.entries { try append(stored.entry, encoder, to: &output) }
            if !output.isEmpty { try await writer.write(ByteBuffer(bytes: output)) }
            guard page.hasMore, let last = page.entries.last else { break }
            var next = query
            next.start = .after(last.position)
            page = try await store.page(next, counting: false)
        }
        try await writer.finish(nil)
    }

    private func append(_ entry: JournalEntry, _ encoder: JSONEncoder, to output: inout [UInt8]) throws {
        switch form {
        case .csv: JournalCSV.append(entry, to: &output)
        case .ndjson:
            output += try encoder.encode(JournalDocument(entry, withAttributes: withAttributes))
            output.append(UInt8(ascii: "\n"))
        }
    }
}
