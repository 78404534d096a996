// SPDX-License-Identifier: Apache-2.0
import ServiceKit
import WriterPostgres

@main struct Executable { static func main() async { await ServiceRunner.main(WriterPostgresService.description) } }
