// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Logging
import Observability

extension Bus {
    /// Serves, and begins again when the bus refused or ended it, until the task is cancelled.
    func serveForever(logger: Logger, _ serve: () async throws(BusError) -> Void) async {
        var backOff = BackOff()
        while !Task.isCancelled {
            do throws(BusError) {
                try await serve()
                return
            } catch {
                logger.warning("questions of adapters are not heard", metadata: [LogKey.error: "\(error)"])
                try? await Task.sleep(for: backOff.next())
            }
        }
    }
}
