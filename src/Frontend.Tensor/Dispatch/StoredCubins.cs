using Picograd.Lower.Cuda;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>Compiled CUDA kernels in the tune database, with those of this process in front of it.</summary>
/// <param name="store">Opened for writing, or else only looked up in.</param>
public sealed class StoredCubins(SqliteTuneStore store) : ICubinCache
{
    private readonly MemoryCubinCache _near = new();

    /// <summary>
    /// The kernels of the user's database, where there is one that can be used; else a cache of this process alone.
    /// </summary>
    public static ICubinCache OfUser()
    {
        try
        {
            string path = TuneDbLocation.Resolve(null);
            if (File.Exists(path))
                return new StoredCubins(SqliteTuneStore.Open(path));
        }
        catch (TuneDbException)
        {
            // Whoever looks records up says what is wrong with it; kernels are compiled in every process then.
        }
        return new MemoryCubinCache();
    }

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
