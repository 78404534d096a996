// SPDX-License-Identifier: Apache-2.0
import CPQ
import NIOCore

extension PostgresSession {
    /// Sends rows with COPY … FROM STDIN in binary format.
    ///
    /// Either all rows are stored or, on an error, none.
    /// - Parameters:
    ///   - sql: `COPY table (columns) FROM STDIN (FORMAT binary)`.
    ///   - buffer: the rows.
    ///   - from: where in the buffer to begin; nil: at its first row.
    ///   - through: where to end; nil: behind its last row.
    /// - Returns: how many rows the server stored.
    @discardableResult
    public func copy(
        _ sql: SQL, _ buffer: CopyBuffer, from: CopyBuffer.Mark? = nil, through: CopyBuffer.Mark? = nil
    ) throws(PostgresError) -> Int {
        let start = min(from?.offset ?? 0, buffer.byteCount)
        let end = min(through?.offset ?? buffer.byteCount, buffer.byteCount)
        guard start < end else { return 0 }
        guard let handle, PQsendQuery(handle, sql.text) == 1 else { throw connectionError(.connectionFailed) }
        _ = try result()
        var failure: PostgresError?
        do throws(PostgresError) {
            try put(Self.copyHeader)
            try put(buffer.bytes.getSlice(at: start, length: end - start) ?? ByteBuffer())
            try put(Self.copyTrailer)
        } catch {
            // The server may have said why before it closed the connection.
            failure = error
        }
        guard isConnected else { throw failure ?? connectionError(.connectionLost) }
        while PQputCopyEnd(handle, nil) == 0 { try flush() }
        return try result().affectedRows
    }

    /// In pieces, so that libpq's own buffer stays small.
    private func put(_ data: ByteBuffer) throws(PostgresError) {
        var remaining = data
        while remaining.readableBytes > 0 {
            let piece = min(remaining.readableBytes, Self.copyPieceBytes)
            let status = remaining.withUnsafeReadableBytes { bytes in
                PQputCopyData(handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(piece))
            }
            switch status {
            case 1: remaining.moveReaderIndex(forwardBy: piece)
            case 0: break
            default: throw connectionError(.connectionLost)
            }
            try flush()
        }
    }

    /// Large enough that system calls do not count, small against the cache.
    private static let copyPieceBytes = 128 << 10
    /// Signature, flags, no header extension.
    private static let copyHeader = ByteBuffer(
        bytes: Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    private static let copyTrailer = ByteBuffer(bytes: [0xFF, 0xFF])
}
