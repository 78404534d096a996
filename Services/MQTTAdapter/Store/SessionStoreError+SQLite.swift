// SPDX-License-Identifier: Apache-2.0
import GRDB
import Glibc

extension SessionStoreError {
    /// - Parameters:
    ///   - path: of the file, for the text.
    ///   - systemError: what the operating system said last, if anything.
    init(_ error: any Error, path: String, systemError: Int32) {
        self =
            switch error {
            case let error as SessionStoreError: error
            case let error as DatabaseError where error.resultCode == .SQLITE_FULL: .full
            // SQLite names a full disk as such for writes only, not for a sync or for enlarging a file.
            case let error as DatabaseError
            where error.resultCode == .SQLITE_IOERR && (systemError == ENOSPC || systemError == EDQUOT): .full
            case let error as DatabaseError where error.resultCode == .SQLITE_BUSY:
                .failed("\(path): another process uses this session store")
            case let error as DatabaseError where error.resultCode == .SQLITE_NOTADB:
                .failed("\(path): this file is not a session store, or it is damaged")
            case let error as DatabaseError:
                .failed("\(path): \(error.message ?? "unknown error") (SQLite \(error.extendedResultCode.rawValue))")
            case StoreFault.unusableFile(let reason): .failed("\(path): \(reason)")
            case StoreFault.unreadableRow(let column): .failed("\(path): column \(column) cannot be read")
            case StoreFault.orderTooLarge: .failed("the order of an entry is larger than \(Int64.max)")
            case StoreFault.keyTaken: .failed("\(path): a random key is in use")
            default: .failed("\(path): \(error)")
            }
    }
}
