// SPDX-License-Identifier: Apache-2.0
import ReaderPostgres
import ServiceKit

@main struct Executable { static func main() async { await ServiceRunner.main(ReaderPostgres.description) } }
