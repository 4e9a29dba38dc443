internal import Glibc

/// Makes sure that the memory of a tmpfs is backed by the hypervisor before it is measured.
///
/// On some virtual machines the hypervisor takes free memory back (virtio-balloon's free page
/// reporting). Then the first write to a page costs several times as much as usual: writing 2 GiB
/// took between 0.7 and 5 s. The hypervisor takes only free blocks of 2 MiB or more. So this class
/// touches memory once and then frees it in smaller blocks, by keeping one page of each. The kernel
/// hands out small blocks first.
final class ReadyMemory {
  /// The size of a block, including the page that is kept: a quarter of what a hypervisor takes.
  private static let block = 512 << 10

  private let memory: UnsafeMutableRawPointer
  private let size: Int

  /// Prepares `bytes` bytes of memory. The effect lasts as long as this object exists.
  ///
  /// - Throws: `Failure` if not enough memory is available.
  init(_ bytes: Int) throws(Failure) {
    size = (bytes + Self.block - 1) / Self.block * Self.block
    try Self.checkAvailable(size)
    let page = sysconf(Int32(_SC_PAGESIZE))
    guard
      let memory = mmap(
        nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { throw Failure("cannot map \(size >> 20) MiB") }
    self.memory = memory
    // With huge pages, keeping one page would keep its whole huge page.
    madvise(memory, size, MADV_NOHUGEPAGE)
    for offset in stride(from: 0, to: size, by: page) {
      memory.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
    }
    for offset in stride(from: 0, to: size, by: Self.block) {
      madvise(memory + offset + page, Self.block - page, MADV_DONTNEED)
    }
  }

  deinit {
    munmap(memory, size)
  }

  /// Checks that the memory is available, so that other programs are not swapped out or killed.
  private static func checkAvailable(_ bytes: Int) throws(Failure) {
    // proc_meminfo(5)
    let line = readText("/proc/meminfo")?.split(separator: "\n")
      .first { $0.hasPrefix("MemAvailable:") }
    let available = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    guard let available, available >> 10 < bytes >> 20 else { return }
    throw Failure("\(available >> 10) MiB of memory are available, and \(bytes >> 20) are needed")
  }
}
