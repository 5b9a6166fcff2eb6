using Picograd.Dispatch;
using Picograd.Schedules.Backend;

namespace Picograd.Graphs;

/// <summary>
/// Memory of what a program changes in place by writing beside and changing places: parameters, states of optimizers. A piece that nobody
/// reads any more takes what comes next of its size, so that a step needs one spare piece of each size, not one of each parameter. After a
/// run the pieces have other owners.
/// </summary>
internal sealed class Rotation
{
    private readonly List<(Block Before, int Piece)> _givers = [];
    private readonly List<(Block Before, int Piece)> _takers = [];
    private readonly List<(int Piece, long Bytes, DeviceRuntime Runtime)> _spares = [];
    private readonly DeviceMemory?[] _memory;
    private readonly DeviceMemory?[] _spareMemory;
    private readonly Storage?[] _storages;
    private readonly int[] _left;

    /// <param name="swaps">What gets the place of what.</param>
    /// <param name="births">The group that first writes each.</param>
    /// <param name="deaths">The last group that touches each.</param>
    /// <param name="lastLook">The last step that may refuse the run: what was before a program is not written over until then.</param>
    /// <param name="isKept">Whether memory of before has to stay as it is, since somebody sees it after the program.</param>
    /// <param name="pieces">Takes the piece of each new block.</param>
    public Rotation(
        IReadOnlyList<Swapped> swaps,
        Func<Block, int> births,
        Func<Block, int> deaths,
        int lastLook,
        Func<Block, bool> isKept,
        Dictionary<Block, int> pieces
    )
    {
        int count = 0;
        // Pieces that are free from after a group on.
        var free = new List<(int After, int Piece, long Bytes, DeviceRuntime Runtime)>();
        foreach (var swap in swaps)
        {
            _givers.Add((swap.Before, count));
            if (!isKept(swap.Before))
                free.Add((Math.Max(deaths(swap.Before), lastLook), count, swap.Before.Bytes, swap.Before.Runtime));
            count++;
        }
        foreach (var swap in swaps.OrderBy(s => births(s.After)))
        {
            int birth = births(swap.After);
            int found = -1;
            for (int i = 0; i < free.Count; i++)
            {
                var f = free[i];
                if (
                    f.After < birth
                    && f.Bytes == swap.After.Bytes
                    && ReferenceEquals(f.Runtime, swap.After.Runtime)
                    && (found < 0 || f.After < free[found].After)
                )
                    found = i;
            }
            int piece;
            if (found >= 0)
            {
                piece = free[found].Piece;
                free.RemoveAt(found);
            }
            else
            {
                piece = count++;
                _spares.Add((piece, swap.After.Bytes, swap.After.Runtime));
            }
            pieces[swap.After] = piece;
            _takers.Add((swap.Before, piece));
        }
        _memory = new DeviceMemory?[count];
        _spareMemory = new DeviceMemory?[_spares.Count];
        _storages = new Storage?[_givers.Count];
        // Of each spare piece, which one of its size is left at the end.
        var taken = _takers.Select(t => t.Piece).ToHashSet();
        var left = Enumerable.Range(0, count).Where(p => !taken.Contains(p)).ToList();
        long BytesOf(int piece) =>
            piece < _givers.Count ? _givers[piece].Before.Bytes : _spares.First(s => s.Piece == piece).Bytes;
        _left = new int[_spares.Count];
        for (int i = 0; i < _left.Length; i++)
        {
            int at = left.FindIndex(p => BytesOf(p) == _spares[i].Bytes);
            _left[i] = left[at];
            left.RemoveAt(at);
        }
    }

    /// <summary>Bytes of spare pieces.</summary>
    public long Bytes => _spares.Sum(s => s.Bytes);

    /// <summary>Looks up what is where.</summary>
    public void Begin(CompiledProgram program, Tensor[] arguments)
    {
        for (int i = 0; i < _givers.Count; i++)
        {
            var storage = CompiledProgram.StorageOf(_givers[i].Before, arguments);
            _storages[i] = storage;
            _memory[_givers[i].Piece] = storage.Memory;
        }
        for (int i = 0; i < _spares.Count; i++)
            _memory[_spares[i].Piece] = _spareMemory[i] ??= _spares[i].Runtime.Rent(_spares[i].Bytes);
    }

    public nint Address(int piece) => _memory[piece]!.Address;

    /// <summary>Gives every storage what is its own now.</summary>
    public void End()
    {
        foreach (var (before, piece) in _takers)
            _storages[IndexOf(before)]!.Put(_memory[piece]!);
        for (int i = 0; i < _left.Length; i++)
            _spareMemory[i] = _memory[_left[i]];
        Array.Clear(_memory);
    }

    /// <summary>Whose the piece is after <see cref="End"/>.</summary>
    public Storage Owner(int piece)
    {
        foreach (var (before, own) in _takers)
        {
            if (own == piece)
                return _storages[IndexOf(before)]!;
        }
        throw new InvalidOperationException($"Nobody has piece {piece}.");
    }

    /// <summary>Gives spare memory back.</summary>
    public void Free()
    {
        foreach (var memory in _spareMemory)
            memory?.Dispose();
        Array.Clear(_spareMemory);
    }

    private int IndexOf(Block before)
    {
        if (_indices is null)
        {
            _indices = [];
            for (int i = 0; i < _givers.Count; i++)
                _indices[_givers[i].Before] = i;
        }
        return _indices[before];
    }

    private Dictionary<Block, int>? _indices;
}
