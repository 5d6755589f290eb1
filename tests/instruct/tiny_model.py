"""A tiny complete model with odd sizes, every parameter redrawn, for tests that need the whole path."""

import torch

from showtell.fusion.connectors import ConnectorConfig
from showtell.fusion.prefix_vlm import PrefixVLM, PrefixVLMConfig
from showtell.images.processor import ProcessorConfig
from showtell.instruct.bundle import Bundle, BundleConfig, assemble
from showtell.instruct.template import TemplateConfig
from showtell.text.coordinates import LocationCodec
from showtell.text.decoder import DecoderConfig
from showtell.text.tokenizer import Tokenizer, train_tokenizer
from showtell.vision.vit import ViTConfig

CORPUS = ["what is this?", "where is the red star?", "a dog and two cats.", "there is no cup in the picture."] * 3


def tiny_tokenizer(bins: int = 7) -> Tokenizer:
    control = (*TemplateConfig().control, *LocationCodec(bins).names)
    return train_tokenizer(CORPUS, 300, control)


def tiny_bundle(seed: int = 0, bins: int = 7, scale: float = 0.2) -> Bundle:
    """24-pixel pictures, 3 x 3 patches, 2 + 2 layers."""
    tokenizer = tiny_tokenizer(bins)
    template = TemplateConfig()
    config = BundleConfig(
        architecture="showtell-prefix-vlm",
        model=PrefixVLMConfig(
            vision=ViTConfig(image_size=(24, 24), patch_size=8, dim=20, depth=2, heads=5, mlp_dim=28, stem="conv"),
            connector=ConnectorConfig(kind="mlp", hidden=18),
            decoder=DecoderConfig(vocab_size=len(tokenizer), dim=24, depth=2, heads=6, kv_heads=2, mlp_dim=36),
            image_token_id=tokenizer.id(template.image),
        ),
        processor=ProcessorConfig(image_size=24),
        codec=LocationCodec(bins),
        template=template,
    )
    model = PrefixVLM(config.model).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return assemble(config, model, tokenizer, {"name": "tiny"})
