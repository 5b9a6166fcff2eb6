using Picograd.Lower.Cuda;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Compiled CUDA kernels in the tune database, with those of this process in front of it.</summary>
/// <param name="store">Opened for writing, or else only looked up in.</param>
internal sealed class StoredCubins(SqliteTuneStore store) : ICubinCache
{
    private readonly MemoryCubinCache _near = new();

    public CachedCubin? Find(string key)
    {
        if (_near.Find(key) is { } known)
            return known;
        try
        {
            if (store.FindBinary(key) is not { } stored)
                return null;
            var cubin = new CachedCubin([.. stored.Code], stored.Log);
            _near.Put(key, cubin);
            return cubin;
        }
        catch (TuneDbException)
        {
            // Without the database kernels are compiled again, which costs time and nothing else.
            return null;
        }
    }

    public void Put(string key, CachedCubin cubin)
    {
        _near.Put(key, cubin);
        if (store.Mode == TuneDbMode.ReadOnly)
            return;
        try
        {
            store.PutBinary(key, cubin.Cubin.AsSpan(), cubin.Log);
        }
        catch (TuneDbException)
        {
            // As above: the next process compiles it again.
            return;
        }
    }
}
