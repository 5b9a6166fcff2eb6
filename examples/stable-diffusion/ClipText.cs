using Picograd;

/// <summary>The text encoder of CLIP (Radford and others, 2021), with Hugging Face's names.</summary>
public sealed class ClipText : Module
{
    private readonly TextModel _textModel;

    public ClipText(int vocabulary, int context, int width, int layers, int heads) =>
        _textModel = new TextModel(vocabulary, context, width, layers, heads);

    /// <summary>[n, t, width] of tokens [n, t].</summary>
    public override Tensor Forward(Tensor tokens) => _textModel.Forward(tokens);

    private sealed class TextModel(int vocabulary, int context, int width, int layers, int heads) : Module
    {
        private readonly Embeddings _embeddings = new(vocabulary, context, width);
        private readonly Encoder _encoder = new(width, layers, heads);
        private readonly LayerNorm _finalLayerNorm = new(width);

        public override Tensor Forward(Tensor x) => _finalLayerNorm.Forward(_encoder.Forward(_embeddings.Forward(x)));
    }

    private sealed class Embeddings(int vocabulary, int context, int width) : Module
    {
        private readonly Embedding _tokenEmbedding = new(vocabulary, width);
        private readonly Embedding _positionEmbedding = new(context, width);

        public override Tensor Forward(Tensor x) =>
            _tokenEmbedding.Forward(x) + _positionEmbedding.Weight.Narrow(0, 0, x.Size(1));
    }

    private sealed class Encoder(int width, int layers, int heads) : Module
    {
        private readonly Layer[] _layers = [.. Enumerable.Range(0, layers).Select(_ => new Layer(width, heads))];

        public override Tensor Forward(Tensor x)
        {
            foreach (var layer in _layers)
                x = layer.Forward(x);
            return x;
        }
    }

    private sealed class Layer(int width, int heads) : Module
    {
        private readonly SelfAttention _selfAttn = new(width, heads);
        private readonly LayerNorm _layerNorm1 = new(width);
        private readonly Mlp _mlp = new(width);
        private readonly LayerNorm _layerNorm2 = new(width);

        public override Tensor Forward(Tensor x)
        {
            x = x + _selfAttn.Forward(_layerNorm1.Forward(x));
            return x + _mlp.Forward(_layerNorm2.Forward(x));
        }
    }

    private sealed class SelfAttention(int width, int heads) : Module
    {
        private readonly Linear _kProj = new(width, width);
        private readonly Linear _vProj = new(width, width);
        private readonly Linear _qProj = new(width, width);
        private readonly Linear _outProj = new(width, width);

        public override Tensor Forward(Tensor x)
        {
            Tensor Split(Tensor y) => y.Unflatten(-1, heads, width / heads).Transpose(1, 2);
            var y = F.ScaledDotProductAttention(
                Split(_qProj.Forward(x)),
                Split(_kProj.Forward(x)),
                Split(_vProj.Forward(x)),
                isCausal: true
            );
            return _outProj.Forward(y.Transpose(1, 2).Flatten(2));
        }
    }

    private sealed class Mlp(int width) : Module
    {
        private readonly Linear _fc1 = new(width, 4 * width);
        private readonly Linear _fc2 = new(4 * width, width);

        public override Tensor Forward(Tensor x)
        {
            var y = _fc1.Forward(x);
            return _fc2.Forward(y * (1.702 * y).Sigmoid());
        }
    }
}
