using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Native;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>Compiled programs by what they were made from, so that no text is compiled twice.</summary>
public interface ICubinCache
{
    /// <summary>What was stored under a key; null where nothing is.</summary>
    CachedCubin? Find(string key);

    /// <summary>Stores; what is there already stays. May drop what was not used for long.</summary>
    void Put(string key, CachedCubin cubin);
}

/// <summary>Machine code with the log of its compilation.</summary>
public sealed record CachedCubin(ImmutableArray<byte> Cubin, string Log);

/// <summary>A cache for the life of the process, of bounded size.</summary>
/// <param name="mostBytes">Of cubins; the least recently used go first.</param>
public sealed class MemoryCubinCache(long mostBytes = 64L << 20) : ICubinCache
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, CachedCubin Cubin)>> _entries = [];
    private readonly LinkedList<(string Key, CachedCubin Cubin)> _byUse = new();

    /// <summary>Bytes of the cubins that are held.</summary>
    public long Bytes { get; private set; }

    public CachedCubin? Find(string key)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var node))
                return null;
            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return node.Value.Cubin;
        }
    }

    public void Put(string key, CachedCubin cubin)
    {
        lock (_lock)
        {
            if (_entries.ContainsKey(key))
                return;
            _entries[key] = _byUse.AddFirst((key, cubin));
            Bytes += cubin.Cubin.Length;
            while (Bytes > mostBytes && _byUse.Count > 1)
            {
                var (oldest, dropped) = _byUse.Last!.Value;
                _byUse.RemoveLast();
                _entries.Remove(oldest);
                Bytes -= dropped.Cubin.Length;
            }
        }
    }
}

/// <summary>CUDA C → cubin by NVRTC, through a cache. Thread-safe, and several texts may be compiled at once.</summary>
/// <param name="nvrtc">The compiler.</param>
/// <param name="architecture">sm_80, sm_90a, ….</param>
/// <param name="cache">Where results are kept.</param>
public sealed class CudaCompiler(Nvrtc nvrtc, string architecture, ICubinCache cache)
{
    /// <summary>
    /// Bytes that a thread may spill before a candidate is not worth timing. A few spilled registers outside of inner loops
    /// cost little; a tile that does not fit spills hundreds of bytes in them.
    /// </summary>
    public const int MostSpillBytes = 256;

    /// <summary>What is compiled for.</summary>
    public string Architecture => architecture;

    public Nvrtc Nvrtc => nvrtc;

    /// <summary>Identifies what comes out: the text, the options, the compiler's version, the architecture.</summary>
    public string KeyOf(string source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string part in (string[])[nvrtc.Version.ToString(), .. nvrtc.OptionsFor(architecture), source])
        {
            // Lengths in front, so that no two lists of parts run together to one text.
            hash.AppendData(
                Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{part.Length}:{part}"))
            );
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Compiles, or takes it from the cache.</summary>
    /// <param name="program">The text and its name.</param>
    /// <param name="prune">
    /// Also refuse what runs but is not worth timing: spills beyond <see cref="MostSpillBytes"/>, serialised products,
    /// ignored register limits.
    /// </param>
    /// <exception cref="LoweringException">
    /// It does not compile (<c>nvrtc-error</c>, <c>register-allocation</c>, <c>shared-too-large</c>) or is pruned
    /// (<c>spills</c>, <c>wgmma-serialised</c>, <c>register-limit-ignored</c>).
    /// </exception>
    public CompileResult Compile(CudaProgram program, bool prune = false)
    {
        string key = KeyOf(program.Source);
        CompileResult result;
        if (cache.Find(key) is { } cached)
        {
            result = new CompileResult(cached.Cubin, cached.Log, CompileReport.Parse(cached.Log));
        }
        else
        {
            result = nvrtc.Compile(program.Source, program.Name, architecture);
            if (!result.Succeeded)
                throw Failed(program, result);
            cache.Put(key, new CachedCubin(result.Cubin, result.Log));
        }
        if (prune)
            Prune(program, result.Report);
        return result;
    }

    private LoweringException Failed(CudaProgram program, CompileResult result) =>
        result.Report.Problems.FirstOrDefault() is { Reason: { } reason, Line: var line }
            ? new LoweringException(reason, $"{program.Name} for {architecture}: {line}")
            : new LoweringException(
                "nvrtc-error",
                $"{program.Name} for {architecture}: {result.FirstError ?? result.Log.Trim()}"
            );

    private void Prune(CudaProgram program, CompileReport report)
    {
        if (report.Problems.FirstOrDefault() is { Reason: { } reason, Line: var line })
            throw new LoweringException(reason, $"{program.Name} for {architecture}: {line}");
        foreach (var kernel in report.Kernels)
        {
            if (kernel.SpillBytes > MostSpillBytes)
            {
                throw new LoweringException(
                    "spills",
                    $"{program.Name} for {architecture}: {kernel}, at most {MostSpillBytes} bytes of spills are worth timing"
                );
            }
        }
    }
}
